#include "study/fit_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/cost/calibration_names.hpp"
#include "sim/cost/kernel_cost.hpp"
#include "sim/engine/engine.hpp"
#include "study/collective_choice.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {
namespace {

using profiler::RunFamily;

RunFamily family_of(const Kernel& kernel) {
    switch (kernel.kind) {
        case KernelKind::gemm:
            return RunFamily::gemm;
        case KernelKind::grouped_gemm:
            return RunFamily::grouped_gemm;
        case KernelKind::attention:
            return RunFamily::attention;
        default:
            break;
    }
    switch (kernel.family) {
        case MemoryFamily::normalization:
            return RunFamily::normalization;
        case MemoryFamily::softmax:
            return RunFamily::softmax;
        case MemoryFamily::gather:
            return RunFamily::gather;
        case MemoryFamily::optimizer:
            return RunFamily::optimizer;
        case MemoryFamily::fill:
            return RunFamily::fill;
        case MemoryFamily::elementwise:
            break;
    }
    return RunFamily::elementwise;
}

RunFamily family_of(sim::CollectiveKind kind) {
    switch (kind) {
        case sim::CollectiveKind::all_reduce:
            return RunFamily::all_reduce;
        case sim::CollectiveKind::all_gather:
            return RunFamily::all_gather;
        case sim::CollectiveKind::reduce_scatter:
            return RunFamily::reduce_scatter;
        case sim::CollectiveKind::broadcast:
            return RunFamily::broadcast;
        case sim::CollectiveKind::all_to_all:
            return RunFamily::all_to_all;
        case sim::CollectiveKind::send_recv:
            return RunFamily::send_recv;
        default:
            return RunFamily::other_collective;
    }
}

/// The simulated rank that stands for the recording's.
std::uint32_t rank_of(const sim::Program& program, std::int64_t rank) {
    for (std::uint32_t i = 0; i < program.ranks.size(); ++i) {
        if (static_cast<std::int64_t>(program.ranks[i].device) == rank) return i;
    }
    return 0;
}

/// Adds what one task does to its families.
void add_task(const sim::Work& work, double duration_s, const sim::Calibration& calibration,
              const topologies::Gpu& gpu, std::map<RunFamily, FamilyComparison>& families) {
    if (const auto* sequence = std::get_if<sim::KernelSequence>(&work)) {
        for (const Kernel& kernel : sequence->kernels) {
            if (kernel.kind == KernelKind::host_only) continue;
            FamilyComparison& family = families[family_of(kernel)];
            family.predicted_tasks += 1;
            family.predicted_s += sim::kernel_time(kernel, calibration, gpu);
        }
        return;
    }
    const auto* collective = std::get_if<sim::Collective>(&work);
    FamilyComparison& family =
        families[collective != nullptr ? family_of(collective->kind) : RunFamily::copy];
    family.predicted_tasks += 1;
    family.predicted_s += duration_s;
}

/// Time of the rank during which none of its tasks runs.
double idle_of(const sim::Program& program, const sim::Timeline& timeline, const sim::WorkCosts& costs,
               std::uint32_t rank) {
    const sim::RankProgram& tasks = program.rank_programs[program.ranks[rank].program];
    std::vector<std::pair<double, double>> busy;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const auto at = static_cast<std::size_t>(program.first_task[rank]) + i;
        // A sequence whose host is slow has gaps inside: count the device's time only.
        const double length =
            std::min(timeline.end[at] - timeline.start[at], costs[tasks.work[i]()].duration_s);
        busy.emplace_back(timeline.end[at] - length, timeline.end[at]);
    }
    std::sort(busy.begin(), busy.end());
    double covered = 0;
    double reached = 0;
    for (const auto& [begin, end] : busy) {
        covered += std::max(0.0, end - std::max(begin, reached));
        reached = std::max(reached, end);
    }
    return timeline.makespan() - covered;
}

sim::Calibration scaled(sim::Calibration calibration, double scale) {
    for (sim::HostTime sim::HostModel::*member :
         {&sim::HostModel::forward_operator, &sim::HostModel::backward_operator,
          &sim::HostModel::optimizer_operator, &sim::HostModel::collective,
          &sim::HostModel::point_to_point}) {
        (calibration.host.*member).seconds *= scale;
    }
    return calibration;
}

}  // namespace

RunComparison compare_run(const Experiment& experiment, const Simulation& simulation,
                          const sim::Calibration& calibration, const profiler::MeasuredRun& run) {
    const sim::Program& program = simulation.lowered.program;
    const std::uint32_t rank = rank_of(program, run.rank);
    std::map<RunFamily, FamilyComparison> families;
    const sim::RankProgram& tasks = program.rank_programs[program.ranks[rank].program];
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const auto work = static_cast<std::size_t>(tasks.work[i]());
        add_task(program.works[work], simulation.prices.costs[work].duration_s, calibration,
                 experiment.cluster.node.gpu, families);
    }
    const profiler::RunSummary summary = profiler::summarize_run(run);
    const double steps = std::max(run.steps, 1);
    for (std::size_t i = 0; i < profiler::kRunFamilies; ++i) {
        if (summary.families.at(i).tasks == 0) continue;
        FamilyComparison& family = families[static_cast<RunFamily>(i)];
        family.measured_tasks = summary.families.at(i).tasks / steps;
        family.measured_s = summary.families.at(i).sum_s / steps;
    }
    RunComparison out;
    out.measured_step_s = run.step_time_s;
    out.predicted_step_s = simulation.timeline.makespan();
    out.measured_gap_s = summary.gap_s / steps;
    out.predicted_gap_s = idle_of(program, simulation.timeline, simulation.prices.costs, rank);
    for (auto& [family, comparison] : families) {
        comparison.family = family;
        out.families.push_back(comparison);
    }
    std::stable_sort(out.families.begin(), out.families.end(), [](const auto& a, const auto& b) {
        return std::max(a.measured_s, a.predicted_s) > std::max(b.measured_s, b.predicted_s);
    });
    return out;
}

HostFit fit_host(const Experiment& experiment, const Simulation& simulation,
                 const sim::Calibration& calibration, double measured_step_s) {
    if (experiment.cluster.mixed())
        throw InputError(experiment.where("cluster.groups"), "cluster.groups",
                         "the host's times are fitted to a run on one kind of GPU; expected node and nodes");
    const auto collectives = collectives_of(experiment);
    const auto step = [&](double scale) {
        const sim::Prices prices = sim::price(simulation.lowered.program, scaled(calibration, scale),
                                              *collectives, experiment.cluster);
        return sim::replay_with_contention(simulation.lowered.program, prices.costs,
                                           shared_overlap()->slowdown(), {})
            .makespan();
    };
    constexpr double kMost = 20;
    double low = 0;
    double high = kMost;
    if (const double least = step(low); least >= measured_step_s) return {low, least, false};
    if (const double most = step(high); most <= measured_step_s) return {high, most, false};
    for (int i = 0; i < 30; ++i) {
        const double middle = (low + high) / 2;
        (step(middle) < measured_step_s ? low : high) = middle;
    }
    const double scale = (low + high) / 2;
    return {scale, step(scale), true};
}

sim::Calibration with_host_fit(sim::Calibration calibration, const HostFit& fit,
                               const std::vector<std::string>& run_names) {
    calibration = scaled(std::move(calibration), fit.scale);
    for (const sim::HostKey& key : sim::kHostKeys) {
        if (key.member == &sim::HostModel::graph_launch || key.member == &sim::HostModel::kernel_launch)
            continue;
        sim::HostTime& time = calibration.host.*(key.member);
        time.provenance = {
            "derived", fmt::format("scaled by {:.3g} so that the step time of the run {} is met; before: {}",
                                   fit.scale, run_names.front(), time.provenance.source)};
        time.low = std::min(time.low, time.seconds);
        time.high = std::max(time.high, time.seconds);
    }
    for (const std::string& name : run_names) {
        const auto known = std::find(calibration.runs.begin(), calibration.runs.end(), name);
        if (known == calibration.runs.end()) calibration.runs.push_back(name);
    }
    return calibration;
}

}  // namespace orrery::study
