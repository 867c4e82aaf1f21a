#include "study/sweep/bound.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <vector>

#include "parallel/stage_partition.hpp"
#include "sim/engine/engine.hpp"
#include "study/plan_search.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// One micro-batch of one replica, all layers on one stage.
Experiment on_one_stage(const Experiment& experiment) {
    Experiment one = experiment;
    parallel::Plan& plan = one.plan;
    plan.parallel.pp = 1;
    plan.parallel.vpp = 1;
    plan.partition.clear();
    plan.schedule = "1f1b";
    plan.schedule_variant.clear();
    plan.schedule_memory_limit.reset();
    plan.training.global_batch = plan.training.micro_batch * plan.parallel.dp;
    one.cluster.nodes = 1;
    one.cluster.node.gpus = plan.parallel.tp * plan.parallel.cp * plan.parallel.dp;
    one.engine = EngineKind::replay;
    one.fold = true;
    one.stragglers.clear();
    one.faults.clear();
    one.sharing = {};
    return one;
}

/// The prices with the host infinitely fast and nothing communicated but on the tp stream.
sim::WorkCosts compute_alone(const Simulation& s) {
    sim::WorkCosts costs = s.prices.costs;
    const sim::RankProgram& rank = s.lowered.program.rank_programs.front();
    std::vector<bool> kept(costs.size(), false);
    for (std::size_t task = 0; task < rank.size(); ++task) {
        const sim::StreamKind stream = rank.streams[rank.stream[task]()].kind;
        if (stream == sim::StreamKind::compute || stream == sim::StreamKind::tp)
            kept[rank.work[task]()] = true;
    }
    for (std::size_t work = 0; work < costs.size(); ++work) {
        costs[work].launch_s = 0;
        costs[work].issue_to_end_s = 0;
        if (!kept[work]) costs[work].duration_s = 0;
    }
    return costs;
}

/// Seconds of the compute stream for one micro-batch.
struct LayerTimes {
    std::vector<double> inside;  ///< [layer] from its first kernel to its last, every time it is run
    std::vector<double> after;   ///< [layer] from there to the next layer (or back) of the chain: waiting
};

LayerTimes layer_times(const Simulation& s) {
    const sim::RankProgram& rank = s.lowered.program.rank_programs.front();
    const sim::Timeline timeline = sim::replay(s.lowered.program, compute_alone(s));
    LayerTimes times{std::vector<double>(s.model.nodes.size(), 0),
                     std::vector<double>(s.model.nodes.size(), 0)};
    struct Run {
        int layer = -1;
        bool forward = false;
        double end = 0;
    } last;
    for (std::size_t task = 0; task < rank.size(); ++task) {
        const sim::TaskLabel& label = rank.label[task];
        if (rank.streams[rank.stream[task]()].kind != sim::StreamKind::compute) continue;
        if (label.phase == sim::Phase::optimizer || label.micro_batch < 0 || label.layer < 0) continue;
        const auto layer = static_cast<std::size_t>(label.layer);
        const bool forward = label.phase == sim::Phase::forward;
        const double start = timeline.start[task];
        const double end = timeline.end[task];
        if (last.layer == label.layer && last.forward == forward) {
            times.inside[layer] += end - last.end;
        } else {
            times.inside[layer] += end - start;
            const int lower = std::min(last.layer, static_cast<int>(label.layer));
            if (last.layer >= 0 && std::abs(last.layer - label.layer) == 1 && last.forward == forward)
                times.after[static_cast<std::size_t>(lower)] += start - last.end;
        }
        last = {label.layer, forward, end};
    }
    return times;
}

std::vector<double> stage_times_of(const Experiment& experiment, const Simulation& s) {
    const LayerTimes times = layer_times(s);
    const parallel::Plan& plan = experiment.plan;
    const int stages = plan.parallel.pp * plan.parallel.vpp;
    std::vector<double> seconds;
    for (const std::vector<int>& nodes : plan.partition.empty()
                                             ? parallel::partition(s.model, stages)
                                             : parallel::partition(s.model, plan.partition)) {
        double sum = 0;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const auto node = static_cast<std::size_t>(nodes[i]);
            sum += times.inside[node];
            if (i + 1 < nodes.size()) sum += times.after[node];
        }
        seconds.push_back(sum);
    }
    return seconds;
}

/// Stage s lies on device s mod p, and a backward is one action. See PlanBound::step_s.
bool passes_devices_in_turn(std::string_view schedule) {
    static constexpr std::array<std::string_view, 7> kSuch{
        "gpipe", "1f1b", "eager-1f1b", "dapple", "interleaved-1f1b", "grouped-interleaved", "breadth-first"};
    return std::find(kSuch.begin(), kSuch.end(), schedule) != kSuch.end();
}

double step_bound(const Experiment& experiment, const std::vector<double>& stage) {
    const parallel::Plan& plan = experiment.plan;
    const auto micro_batches = static_cast<double>(plan.training.micro_batches(plan.parallel));
    const auto devices = static_cast<std::size_t>(plan.parallel.pp);
    if (!passes_devices_in_turn(plan.schedule))
        return micro_batches * std::accumulate(stage.begin(), stage.end(), 0.0) /
               static_cast<double>(devices);
    double bound = 0;
    double before = 0;  // one micro-batch, forward and backward, through the devices before this one
    for (std::size_t d = 0; d < devices; ++d) {
        double work = 0;
        for (std::size_t s = d; s < stage.size(); s += devices) work += stage[s];
        bound = std::max(bound, micro_batches * work + before);
        before += stage[d];
    }
    return bound;
}

}  // namespace

PlanBound bound_of_plan(const Experiment& experiment) {
    if (experiment.cluster.mixed() || experiment.plan.slices > 1 || !experiment.model.towers.empty() ||
        experiment.model.experts.count > 0 || experiment.jitter.deviation > 0 || searches_plan(experiment))
        return {};
    const Simulation one = simulate(on_one_stage(experiment));
    const auto& bytes = one.lowered.program.rank_programs.front().static_bytes;
    PlanBound bound;
    bound.step_s = step_bound(experiment, stage_times_of(experiment, one));
    for (const sim::MemoryKind kind :
         {sim::MemoryKind::parameters, sim::MemoryKind::gradients, sim::MemoryKind::optimizer_state})
        bound.static_bytes +=
            bytes[static_cast<std::size_t>(kind)] / static_cast<double>(experiment.plan.parallel.pp);
    return bound;
}

}  // namespace orrery::study
