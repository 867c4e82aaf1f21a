#include "sim/metrics/kernel_use.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "sim/cost/calibration_names.hpp"
#include "sim/metrics/gap.hpp"

namespace orrery::sim {
namespace {

KernelPhase phase_of(Phase phase) {
    switch (phase) {
        case Phase::backward:
        case Phase::backward_input:
        case Phase::backward_weight:
            return KernelPhase::backward;
        case Phase::recompute:
            return KernelPhase::recompute;
        case Phase::optimizer:
        case Phase::gradient_reduce:
            return KernelPhase::optimizer;
        case Phase::forward:
        case Phase::parameter_gather:
        case Phase::transfer:
            break;
    }
    return KernelPhase::forward;
}

/// What all tasks of one work and phase took together.
struct WorkUse {
    double seconds = 0;
    std::uint64_t tasks = 0;
};

using UseByWork = std::map<std::pair<WorkId, KernelPhase>, WorkUse>;

/// Each kernel's part of its sequence's time.
std::vector<double> shares(const std::vector<Kernel>& kernels, const KernelPricer& price) {
    std::vector<double> parts;
    double whole = 0;
    for (const Kernel& kernel : kernels) whole += parts.emplace_back(price(kernel));
    for (double& part : parts) part = whole > 0 ? part / whole : 1.0 / static_cast<double>(parts.size());
    return parts;
}

std::vector<KernelUse> by_family(const UseByWork& works, const Program& program, const KernelPricer& price) {
    std::map<std::pair<std::string, KernelPhase>, KernelUse> families;
    for (const auto& [key, use] : works) {
        const auto& [work, phase] = key;
        const auto& kernels = std::get<KernelSequence>(program.works[work()]).kernels;
        const std::vector<double> parts = shares(kernels, price);
        const auto times = static_cast<double>(use.tasks);
        for (std::size_t i = 0; i < kernels.size(); ++i) {
            if (kernels[i].kind == KernelKind::host_only) continue;
            const std::string family = kernel_family(kernels[i]);
            KernelUse& sum = families[{family, phase}];
            sum.family = family;
            sum.phase = phase;
            sum.kernels += use.tasks;
            sum.seconds += use.seconds * parts[i];
            if (kernels[i].kind == KernelKind::memory_bound)
                sum.bytes += kernels[i].bytes * times;
            else
                sum.flops += kernels[i].flops * times;
        }
    }
    std::vector<KernelUse> sorted;
    for (auto& [key, use] : families) sorted.push_back(std::move(use));
    std::ranges::stable_sort(sorted, std::ranges::greater{}, &KernelUse::seconds);
    return sorted;
}

}  // namespace

std::string_view to_string(KernelPhase phase) {
    switch (phase) {
        case KernelPhase::forward:
            return "forward";
        case KernelPhase::backward:
            return "backward";
        case KernelPhase::recompute:
            return "recompute";
        case KernelPhase::optimizer:
            break;
    }
    return "optimizer";
}

std::string kernel_family(const Kernel& kernel) {
    switch (kernel.kind) {
        case KernelKind::gemm:
            return "gemm";
        case KernelKind::grouped_gemm:
            return "grouped_gemm";
        case KernelKind::attention:
            return "attention";
        case KernelKind::memory_bound:
            return name_of(kernel.family, family_names());
        case KernelKind::host_only:
            break;
    }
    return "host";
}

std::vector<KernelUse> measure_kernels(const Program& program, const Timeline& timeline,
                                       const WorkCosts& costs, RankId rank, const KernelPricer& price,
                                       std::optional<StepWindow> window) {
    const RankProgram& tasks = program.program_of(rank);
    const std::uint64_t first = program.first_task[rank()];
    const auto start = std::span(timeline.start).subspan(first, tasks.size());
    const auto end = std::span(timeline.end).subspan(first, tasks.size());
    const StepWindow step = window.value_or(StepWindow{0, timeline.makespan()});
    UseByWork works;
    const auto is_kernel = [&](std::uint32_t task) {
        return std::holds_alternative<KernelSequence>(program.works[tasks.work[task]()]);
    };
    const auto use_of = [&](std::uint32_t task) -> WorkUse& {
        return works[{tasks.work[task], phase_of(tasks.label[task].phase)}];
    };
    const PreparedTasks traced = trace(tasks, program.works);
    RankTrace(traced, costs, start, end).cover(step.begin_s, step.end_s, [&](const Stretch& stretch) {
        if (stretch.task != kNoTask && is_kernel(stretch.task))
            use_of(stretch.task).seconds += stretch.end - stretch.begin;
    });
    for (const std::uint32_t task : traced.compute)
        if (start[task] >= step.begin_s && start[task] < step.end_s) ++use_of(task).tasks;
    return by_family(works, program, price);
}

}  // namespace orrery::sim
