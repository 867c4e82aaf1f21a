#include "study/memory_advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "core/error.hpp"
#include "report/units.hpp"
#include "sim/metrics/memory.hpp"
#include "study/kind_prices.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

using parallel::DataSharding;
using parallel::RecomputePolicy;

/// Changes the experiment and names the keys, or does nothing where it has no meaning.
using Change = std::function<std::vector<std::string>(Experiment&)>;

std::vector<std::string> recompute(Experiment& e, RecomputePolicy policy, const char* name) {
    parallel::Training& t = e.plan.training;
    if (t.recompute >= policy) return {};
    t.recompute = policy;
    t.recompute_method = parallel::RecomputeMethod::uniform;
    t.recompute_layers = 1;
    return {fmt::format("training.recompute={}", name)};
}

std::vector<std::string> shard(Experiment& e, DataSharding sharding) {
    parallel::Parallelism& p = e.plan.parallel;
    if (p.dp == 1 || p.sharding >= sharding) return {};
    p.sharding = sharding;
    for (const NamedScheme& scheme : sharding_schemes()) {
        if (scheme.sharding == sharding) return {fmt::format("parallel.sharding={}", scheme.name)};
    }
    return {};
}

/// Doubles a degree of model parallelism at the cost of data parallelism.
std::vector<std::string> trade(Experiment& e, int parallel::Parallelism::*degree, const char* name) {
    parallel::Parallelism& p = e.plan.parallel;
    if (p.dp % 2 != 0) return {};
    p.*degree *= 2;
    p.dp /= 2;
    return {fmt::format("parallel.{}={}", name, p.*degree), fmt::format("parallel.dp={}", p.dp)};
}

std::vector<std::string> halve_micro_batch(Experiment& e) {
    parallel::Training& t = e.plan.training;
    if (t.micro_batch % 2 != 0) return {};
    t.micro_batch /= 2;
    return {fmt::format("training.micro_batch={}", t.micro_batch)};
}

std::vector<std::string> divide_sequence(Experiment& e) {
    parallel::Parallelism& p = e.plan.parallel;
    if (p.tp == 1 || p.sequence_parallel) return {};
    p.sequence_parallel = true;
    return {"parallel.sequence_parallel=true"};
}

std::vector<std::string> widen_tensor(Experiment& e) {
    if (e.plan.parallel.tp * 2 > e.cluster.common_gpus_per_node())
        return {};  // beyond a node it costs more than it saves
    return trade(e, &parallel::Parallelism::tp, "tp");
}

const std::vector<Change>& all_changes() {
    static const std::vector<Change> changes = {
        [](Experiment& e) { return recompute(e, RecomputePolicy::selective, "selective"); },
        [](Experiment& e) { return recompute(e, RecomputePolicy::full, "full"); },
        divide_sequence,
        [](Experiment& e) { return shard(e, DataSharding::optimizer); },
        [](Experiment& e) { return shard(e, DataSharding::full); },
        halve_micro_batch,
        widen_tensor,
        [](Experiment& e) { return trade(e, &parallel::Parallelism::pp, "pp"); },
    };
    return changes;
}

/// Peak and time of the changed experiment, or nothing where it is not legal.
std::optional<MemoryChange> tried(Experiment& changed, std::vector<std::string> overrides) {
    if (overrides.empty()) return std::nullopt;
    changed.engine = EngineKind::replay;
    changed.granularity = Granularity::layer;
    changed.fold = true;
    try {
        check_experiment(changed);
        const Simulation s = simulate(changed);
        MemoryChange change;
        change.overrides = std::move(overrides);
        const sim::ClusterMemory memory = sim::measure_memory(s.lowered.program, s.timeline);
        const std::size_t fullest = fullest_rank(changed.cluster, s.lowered.program, memory);
        change.peak_bytes = memory.per_rank[fullest].peak_bytes;
        change.step_time_s = s.step_time_s();
        change.fits =
            change.peak_bytes <= memory_of(changed.cluster, s.lowered.program.ranks[fullest].device);
        return change;
    } catch (const InputError&) {  // not a legal plan: not a proposal
        return std::nullopt;
    } catch (const ExperimentError&) {
        return std::nullopt;
    }
}

bool better(const MemoryChange& a, const MemoryChange& b) {
    if (a.fits != b.fits) return a.fits;
    return a.fits ? a.step_time_s < b.step_time_s : a.peak_bytes < b.peak_bytes;
}

/// Takes the change that saves most again and again, until the experiment fits or nothing saves any more.
std::optional<MemoryChange> together(Experiment experiment, double peak_bytes) {
    constexpr int kMostSteps = 6;
    std::vector<std::string> overrides;
    std::optional<MemoryChange> best;
    for (int step = 0; step < kMostSteps; ++step) {
        std::optional<MemoryChange> next;
        Experiment next_experiment;
        for (const Change& change : all_changes()) {
            Experiment changed = experiment;
            auto one = tried(changed, change(changed));
            if (!one || one->peak_bytes >= peak_bytes || (next && !better(*one, *next))) continue;
            next = std::move(one);
            next_experiment = std::move(changed);
        }
        if (!next) return std::nullopt;
        for (const std::string& text : next->overrides) {
            const std::string key = text.substr(0, text.find('=') + 1);
            std::erase_if(overrides, [&](const std::string& old) { return old.starts_with(key); });
            overrides.push_back(text);
        }
        next->overrides = overrides;
        if (next->fits) return next;
        peak_bytes = next->peak_bytes;
        experiment = std::move(next_experiment);
    }
    return std::nullopt;
}

}  // namespace

std::vector<MemoryChange> changes_that_save_memory(const Experiment& experiment, double peak_bytes) {
    std::vector<MemoryChange> changes;
    for (const Change& change : all_changes()) {
        Experiment changed = experiment;
        auto one = tried(changed, change(changed));
        if (one && one->peak_bytes < peak_bytes) changes.push_back(std::move(*one));
    }
    std::stable_sort(changes.begin(), changes.end(), better);
    if (changes.empty() || !changes.front().fits) {
        if (auto combined = together(experiment, peak_bytes)) changes.push_back(std::move(*combined));
    }
    return changes;
}

std::string does_not_fit(const Experiment& experiment, const report::Result& result,
                         const std::vector<MemoryChange>& changes) {
    std::string text = fmt::format("does not fit: rank {} needs {}, a GPU ({}) has {}",
                                   result.memory.peak_rank, report::bytes(result.memory.peak_bytes),
                                   experiment.cluster.node_at(result.memory.peak_rank).gpu.name,
                                   report::bytes(result.memory.capacity_bytes));
    if (changes.empty()) return text + "; no single change of the plan lowers that: take more GPUs";
    text += "; what lowers it:";
    for (const MemoryChange& change : changes) {
        text += fmt::format("\n  --set {}: {}, {}", fmt::join(change.overrides, " --set "),
                            report::bytes(change.peak_bytes),
                            change.fits ? "fits, " + report::duration(change.step_time_s) + " a step"
                                        : std::string("still too much"));
    }
    const bool none =
        std::none_of(changes.begin(), changes.end(), [](const auto& change) { return change.fits; });
    if (none) text += "\n  none of these fits: take more GPUs (cluster.nodes)";
    return text;
}

}  // namespace orrery::study
