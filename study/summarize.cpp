// From a simulation's program and timeline to the figures of every report.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "schedules/schedule.hpp"
#include "sim/cost/gemm_cost.hpp"
#include "sim/cost/kernel_cost.hpp"
#include "sim/metrics/kernel_use.hpp"
#include "sim/metrics/memory.hpp"
#include "sim/metrics/metrics.hpp"
#include "study/collective_choice.hpp"
#include "study/expert_result.hpp"
#include "study/flops.hpp"
#include "study/moe_table.hpp"
#include "study/shared_inputs.hpp"
#include "study/simulate.hpp"
#include "topologies/cluster.hpp"

namespace orrery::study {
namespace {

std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

std::string_view context_scheme_name(parallel::ContextScheme scheme) {
    switch (scheme) {
        case parallel::ContextScheme::ring:
            return "ring";
        case parallel::ContextScheme::all_gather:
            return "all-gather";
        case parallel::ContextScheme::ulysses:
            return "ulysses";
    }
    return "";
}

std::string_view sharding_name(parallel::DataSharding sharding) {
    for (const NamedScheme& scheme : sharding_schemes()) {
        if (scheme.sharding == sharding) return scheme.name;
    }
    return "";
}

/// "12 none, 20 full": how many layers each choice has.
template <class Value, class Name>
std::string counted(const std::vector<Value>& choices, Name name) {
    std::map<Value, int> counts;
    for (const Value choice : choices) ++counts[choice];
    std::vector<std::string> parts;
    for (const auto& [value, count] : counts) parts.push_back(fmt::format("{} {}", count, name(value)));
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string_view policy_name(parallel::RecomputePolicy policy) {
    switch (policy) {
        case parallel::RecomputePolicy::none:
            return "none";
        case parallel::RecomputePolicy::selective:
            return "selective";
        case parallel::RecomputePolicy::full:
            break;
    }
    return "full";
}

std::string_view target_name(parallel::OffloadTarget target) {
    switch (target) {
        case parallel::OffloadTarget::none:
            return "kept";
        case parallel::OffloadTarget::host:
            return "to the host";
        case parallel::OffloadTarget::partner:
            break;
    }
    return "to a partner";
}

std::string recompute_name(const parallel::Plan& plan) {
    const parallel::Training& training = plan.training;
    if (!plan.layer_recompute.empty()) return counted(plan.layer_recompute, policy_name) + " (layers)";
    if (training.recompute != parallel::RecomputePolicy::full)
        return std::string(policy_name(training.recompute));
    if (training.recompute_method == parallel::RecomputeMethod::block) {
        return fmt::format("full, {} layers a stage", training.recompute_layers);
    }
    return training.recompute_layers == 1
               ? "full"
               : fmt::format("full, units of {} layers", training.recompute_layers);
}

std::vector<report::NamedText> plan_lines(const Experiment& e) {
    const parallel::Parallelism& p = e.plan.parallel;
    const parallel::Training& t = e.plan.training;
    std::vector<report::NamedText> lines = {
        {"model", e.model.name.empty() ? e.model.family : e.model.name},
        {"cluster", fmt::format("{} x {} ({} x {})", e.cluster.nodes, e.cluster.node.name,
                                e.cluster.node.gpus, e.cluster.node.gpu.name)},
        {"tp", std::to_string(p.tp)},
        {"pp", std::to_string(p.pp)},
        {"dp", std::to_string(p.dp)},
    };
    if (p.cp > 1) lines.emplace_back("cp", fmt::format("{} ({})", p.cp, context_scheme_name(p.cp_scheme)));
    if (e.model.experts.count > 0) {
        lines.emplace_back("ep", std::to_string(p.ep));
        if (p.expert_tp() != p.tp) lines.emplace_back("etp", std::to_string(p.expert_tp()));
        lines.emplace_back("routing", describe(e.plan.experts, e.model.experts.capacity_factor));
    }
    if (p.tp > 1) lines.emplace_back("sequence parallel", yes_no(p.sequence_parallel));
    if (p.dp > 1) lines.emplace_back("sharding", std::string(sharding_name(p.sharding)));
    if (p.sharding == parallel::DataSharding::hybrid) {
        lines.emplace_back("sharding group", std::to_string(p.sharding_group));
    }
    if (p.pp > 1) {
        if (!e.plan.partition.empty()) {
            lines.emplace_back("layers of stages", fmt::format("{}", fmt::join(e.plan.partition, ", ")));
        }
        lines.emplace_back("schedule", p.vpp > 1 ? fmt::format("{} with {} chunks", e.plan.schedule, p.vpp)
                                                 : e.plan.schedule);
    }
    if (e.plan.slices > 1) {
        lines.emplace_back("slices", e.plan.slice_lengths.empty()
                                         ? fmt::format("{} equal", e.plan.slices)
                                         : fmt::format("{} tokens", fmt::join(e.plan.slice_lengths, ", ")));
    }
    lines.emplace_back("batch", fmt::format("{} sequences of {} tokens", t.global_batch, t.seq_length));
    lines.emplace_back("micro-batches", fmt::format("{} of {}", t.micro_batches(p), t.micro_batch));
    lines.emplace_back("precision", std::string(to_string(t.precision)));
    lines.emplace_back("recompute", recompute_name(e.plan));
    if (!e.plan.layer_offload.empty()) {
        lines.emplace_back("offload", counted(e.plan.layer_offload, target_name) + " (layers)");
    }
    if (std::string forced = describe(e.collectives); !forced.empty())
        lines.emplace_back("collectives", std::move(forced));
    lines.emplace_back("software", e.plan.software);
    return lines;
}

void add_provenance(std::vector<report::NamedText>& sources, const std::string& what,
                    const sim::Provenance& provenance) {
    if (provenance.source.empty()) return;
    sources.emplace_back(what, fmt::format("{}: {}", provenance.kind, provenance.source));
}

std::vector<report::NamedText> source_lines(const Experiment& e) {
    std::vector<report::NamedText> sources;
    if (!e.source.empty()) sources.emplace_back("experiment", e.source);
    if (!e.model.source.empty()) sources.emplace_back("model", e.model.source);
    const auto software = shared_software(e.plan.software);
    if (!software->source.empty()) sources.emplace_back("software", software->source);
    const auto kernels = shared_calibration(e.calibration);
    const Precision precision = e.plan.training.precision;
    if (const auto gemm = kernels->gemm.find(precision); gemm != kernels->gemm.end()) {
        add_provenance(sources, "matrix products", gemm->second.provenance);
    }
    std::set<std::string> said;
    for (const sim::AttentionModel& attention : kernels->attention) {
        if (attention.implementation != software->attention || attention.backward) continue;
        if (said.insert(attention.provenance.source).second) {
            add_provenance(sources, "attention", attention.provenance);
        }
    }
    add_provenance(sources, "memory-bound kernels", kernels->memory.front().provenance);
    add_provenance(sources, "host", kernels->host.forward_operator.provenance);
    if (e.plan.parallel.gpus() > 1) {
        for (const std::string& part : shared_collectives(e.cluster.node.collectives)->provenance) {
            sources.emplace_back("collectives", part);
        }
    }
    return sources;
}

void add_times(report::Result& result, const sim::Metrics& metrics) {
    result.step_time_s = metrics.step_time_s;
    result.bubble_ratio = metrics.bubble_ratio;
    result.bubble_ratio_span = metrics.bubble_ratio_span;
    result.bubble_overhead = metrics.bubble_overhead;
    result.breakdown = metrics.breakdown;
}

void add_kernels(report::Result& result, const Experiment& e, const Simulation& s, sim::RankId busiest) {
    if (s.lowered.program.ranks.empty()) return;
    const auto calibration = shared_calibration(e.calibration);
    const auto price = [&](const Kernel& kernel) {
        return sim::kernel_time(kernel, *calibration, e.cluster.node.gpu);
    };
    result.kernels =
        sim::measure_kernels(s.lowered.program, s.timeline, s.prices.costs, busiest, price, s.window());
}

double peak_flops(const Experiment& e) {
    return sim::gemm_device(e.cluster.node.gpu, e.plan.training.precision).peak_flops;
}

void add_rates(report::Result& result, const Experiment& e, const Simulation& s) {
    const StepFlops flops =
        step_flops(s.model, e.plan, *shared_software(e.plan.software), s.schedule, s.lowered.stage_layers);
    const parallel::Training& t = e.plan.training;
    const auto gpus = static_cast<double>(result.gpus);
    const double seconds = result.step_time_s;
    const double tokens = static_cast<double>(t.global_batch) * static_cast<double>(t.seq_length);
    result.tokens_per_s = seconds > 0 ? tokens / seconds : 0;
    result.tokens_per_s_per_gpu = result.tokens_per_s / gpus;
    result.model_tflops_per_gpu = seconds > 0 ? flops.model / (seconds * gpus * 1e12) : 0;
    const auto count = static_cast<std::uint64_t>(result.gpus);
    result.mfu = sim::flops_utilization(flops.model, seconds, count, peak_flops(e));
    result.hfu = sim::flops_utilization(flops.model + flops.recomputed, seconds, count, peak_flops(e));
    result.flop_formula = kFlopFormula;
}

void add_memory(report::Result& result, const Experiment& e, const Simulation& s,
                const sim::ClusterMemory& memory) {
    const sim::RankMemory& fullest = memory.per_rank[memory.peak_rank()];
    result.memory.peak_bytes = memory.peak_bytes;
    result.memory.peak_rank = s.lowered.program.ranks[memory.peak_rank()].device;
    result.memory.capacity_bytes = e.cluster.node.gpu.memory_bytes;
    result.memory.fits = memory.peak_bytes <= result.memory.capacity_bytes;
    result.memory.by_kind_bytes = fullest.by_kind;
}

/// Transformer layers that each pipeline device holds.
std::vector<int> layers_by_device(const Simulation& s, int devices) {
    std::vector<int> layers(static_cast<std::size_t>(devices), 0);
    const auto& placements = s.schedule.placement;
    for (std::size_t stage = 0; stage < s.lowered.stage_layers.size(); ++stage) {
        std::set<int> holders;  // bidirectional pipelines hold a stage twice
        for (const auto& placement : placements) holders.insert(placement[stage]);
        for (const int node : s.lowered.stage_layers[stage]) {
            if (s.model.layer(node).kind != models::LayerKind::block) continue;
            for (const int device : holders) ++layers[static_cast<std::size_t>(device)];
        }
    }
    return layers;
}

void add_stages(report::Result& result, const Simulation& s, const sim::Metrics& metrics,
                const sim::ClusterMemory& memory) {
    const std::vector<int> layers = layers_by_device(s, static_cast<int>(metrics.per_stage.size()));
    std::vector<const sim::RankMemory*> fullest(metrics.per_stage.size(), nullptr);
    for (const sim::RankMemory& rank : memory.per_rank) {
        const sim::RankMemory*& most = fullest[static_cast<std::size_t>(rank.pipeline_device)];
        if (most == nullptr || rank.peak_bytes > most->peak_bytes) most = &rank;
    }
    for (std::size_t i = 0; i < metrics.per_stage.size(); ++i) {
        report::StageResult stage;
        stage.stage = metrics.per_stage[i].pipeline_device;
        stage.layers = layers[i];
        stage.breakdown = metrics.per_stage[i].mean;
        if (fullest[i] != nullptr) stage.peak_by_kind_bytes = fullest[i]->by_kind;
        result.per_stage.push_back(stage);
    }
}

}  // namespace

std::string_view to_string(EngineKind engine) {
    switch (engine) {
        case EngineKind::replay:
            return "replay";
        case EngineKind::flow:
            return "flow";
        case EngineKind::simgrid:
            break;
    }
    return "simgrid";
}

report::Result summarize(const Experiment& experiment, const Simulation& simulation) {
    const sim::Program& program = simulation.lowered.program;
    report::Result result;
    result.experiment = experiment.name;
    result.engine = to_string(experiment.engine);
    result.calibration = experiment.calibration;
    result.gpus = experiment.plan.parallel.gpus();
    const sim::Metrics metrics =
        sim::measure(program, simulation.timeline, simulation.prices.costs, simulation.window());
    const sim::ClusterMemory memory = sim::measure_memory(program, simulation.timeline);
    add_times(result, metrics);
    add_kernels(result, experiment, simulation, metrics.busiest);
    add_rates(result, experiment, simulation);
    add_memory(result, experiment, simulation, memory);
    add_stages(result, simulation, metrics, memory);
    result.simulation.tasks = program.tasks();
    if (simulation.lowered.experts) result.moe = expert_result(experiment, simulation);
    result.plan = plan_lines(experiment);
    result.sources = source_lines(experiment);
    result.notes = simulation.prices.notes;
    if (simulation.lowered.period)
        result.notes.push_back(
            fmt::format("{} has no flush: {} batches run back to back, and the step is the time between the "
                        "first stage's updates that end two neighbouring ones, in steady state",
                        simulation.schedule.name,
                        simulation.schedule.micro_batches /
                            experiment.plan.training.micro_batches(experiment.plan.parallel)));
    if (!simulation.found.empty()) result.notes.insert(result.notes.begin(), simulation.found);
    if (!simulation.unfolded.empty()) result.notes.push_back(simulation.unfolded);
    if (experiment.reliability)
        result.goodput = goodput_of(*experiment.reliability, result, simulation.model.parameters(),
                                    experiment.plan.training.precision, experiment.cluster.nodes);
    if (simulation.flow) result.network = network_result(program, *simulation.flow, result.step_time_s);
    if (auto uses = collective_uses(experiment, simulation); !uses.empty()) {
        if (!result.network) result.network.emplace();
        result.network->collectives = std::move(uses);
    }
    return result;
}

}  // namespace orrery::study
