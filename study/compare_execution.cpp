// What was measured of a program beside what was predicted of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <variant>

#include "sim/metrics/memory.hpp"
#include "sim/metrics/metrics.hpp"
#include "study/execute.hpp"
#include "study/step_window.hpp"

namespace orrery::study {
namespace {

using report::ComparedFigure;
using report::ComparedGroup;
using report::figure_of;

/// Of the step: ends further apart from their prediction are told.
constexpr double kApart = 0.02;
/// Seconds: sums of clock readings differ by as much.
constexpr double kRounding = 1e-6;

/// The prediction first, then the repetitions.
using Timelines = std::vector<const sim::Timeline*>;

Timelines timelines_of(const Executed& executed) {
    Timelines all{&executed.simulation.timeline};
    for (const profiler::MeasuredStep& step : executed.steps) all.push_back(&step.timeline);
    return all;
}

ComparedFigure figure(const Timelines& all, const std::function<double(const sim::Timeline&)>& value) {
    std::vector<double> measured;
    for (std::size_t i = 1; i < all.size(); ++i) measured.push_back(value(*all[i]));
    return figure_of(value(*all.front()), std::move(measured));
}

/// "gemm", "several kernels", "all-reduce", "copy to host".
std::string kind_of(const sim::Work& work) {
    if (const auto* collective = std::get_if<sim::Collective>(&work))
        return std::string(to_string(collective->kind));
    if (const auto* copy = std::get_if<sim::Copy>(&work))
        return copy->to_host ? "copy to host" : "copy from host";
    const std::vector<Kernel>& kernels = std::get<sim::KernelSequence>(work).kernels;
    std::optional<KernelKind> kind;
    for (const Kernel& kernel : kernels) {
        if (kernel.kind == KernelKind::host_only) continue;
        if (kind && *kind != kernel.kind) return "several kernels";
        kind = kernel.kind;
    }
    if (!kind) return "host only";
    switch (*kind) {
        case KernelKind::gemm:
            return "gemm";
        case KernelKind::grouped_gemm:
            return "grouped gemm";
        case KernelKind::attention:
            return "attention";
        case KernelKind::memory_bound:
            return "memory-bound";
        case KernelKind::host_only:
            break;
    }
    return "host only";
}

/// Sums the tasks' seconds by a name; tasks without one are left out.
std::vector<ComparedGroup> groups(
    const sim::Program& program, const Timelines& all,
    const std::function<std::string(const sim::RankProgram&, std::size_t)>& name) {
    std::map<std::string, std::pair<std::uint64_t, std::vector<double>>> sums;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            const std::string key = name(tasks, t);
            if (key.empty()) continue;
            auto& [count, seconds] = sums[key];
            seconds.resize(all.size());
            ++count;
            const std::uint64_t at = program.first_task[r] + t;
            for (std::size_t i = 0; i < all.size(); ++i) seconds[i] += all[i]->end[at] - all[i]->start[at];
        }
    }
    std::vector<ComparedGroup> out;
    for (const auto& [key, sum] : sums) {
        const std::vector<double>& seconds = sum.second;
        out.push_back({key, sum.first, figure_of(seconds.front(), {seconds.begin() + 1, seconds.end()})});
    }
    std::stable_sort(out.begin(), out.end(), [](const ComparedGroup& a, const ComparedGroup& b) {
        return a.seconds.predicted > b.seconds.predicted;
    });
    return out;
}

bool computes(const sim::RankProgram& tasks, std::size_t task) {
    return tasks.streams[tasks.stream[task]()].kind == sim::StreamKind::compute &&
           tasks.communicator_slot[task] == sim::kNoCommunicator;
}

std::vector<report::ComparedRank> ranks(const Executed& executed, const Timelines& all) {
    const sim::Program& program = executed.simulation.lowered.program;
    const sim::ClusterMemory memory = sim::measure_memory(program, *all.front());
    std::vector<report::ComparedRank> out;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        const std::uint64_t first = program.first_task[r];
        report::ComparedRank rank;
        rank.rank = static_cast<std::uint32_t>(r);
        rank.device = program.ranks[r].device;
        rank.stage = program.ranks[r].pipeline_device;
        rank.compute_s = figure(all, [&](const sim::Timeline& timeline) {
            double busy = 0;
            for (std::size_t t = 0; t < tasks.size(); ++t)
                if (computes(tasks, t)) busy += timeline.end[first + t] - timeline.start[first + t];
            return busy;
        });
        rank.end_s = figure(all, [&](const sim::Timeline& timeline) {
            double last = 0;
            for (std::size_t t = 0; t < tasks.size(); ++t) last = std::max(last, timeline.end[first + t]);
            return last;
        });
        std::vector<double> peaks;
        for (const profiler::MeasuredStep& step : executed.steps) peaks.push_back(step.peak_bytes.at(r));
        rank.peak_bytes = figure_of(memory.per_rank[r].peak_bytes, std::move(peaks));
        out.push_back(rank);
    }
    return out;
}

ComparedFigure fullest_rank(const Executed& executed) {
    std::vector<double> peaks;
    for (const profiler::MeasuredStep& step : executed.steps)
        peaks.push_back(*std::max_element(step.peak_bytes.begin(), step.peak_bytes.end()));
    const Simulation& s = executed.simulation;
    return figure_of(sim::measure_memory(s.lowered.program, s.timeline).peak_bytes, std::move(peaks));
}

std::optional<report::Parting> first_apart(const sim::Program& program, const sim::Timeline& predicted,
                                           const sim::Timeline& measured, double slack) {
    std::optional<report::Parting> first;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        for (std::uint64_t at = program.first_task[r]; at < program.first_task[r + 1]; ++at) {
            if (std::abs(predicted.end[at] - measured.end[at]) <= slack) continue;
            if (first && first->predicted_start_s <= predicted.start[at]) continue;
            first =
                report::Parting{describe(program, sim::RankId(r), sim::TaskId(at - program.first_task[r])),
                                predicted.start[at],
                                predicted.end[at],
                                measured.start[at],
                                measured.end[at],
                                slack};
        }
    }
    return first;
}

/// The simulated order, as the measured times keep it or not: of two tasks of a stream the one that is
/// simulated first is measured to end before the other starts, and so is what a task depends on. Tasks that
/// only happen to follow each other in the simulation have no order to keep.
std::optional<report::OrderMismatch> out_of_order(const sim::Program& program, const sim::Timeline& simulated,
                                                  const sim::Timeline& measured) {
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        const std::uint64_t first = program.first_task[r];
        const auto follows = [&](std::size_t before, std::size_t task) {
            const bool in_simulation =
                simulated.end[first + before] <= simulated.start[first + task] + kRounding;
            return !in_simulation || measured.end[first + before] <= measured.start[first + task] + kRounding;
        };
        std::vector<std::optional<std::size_t>> last(tasks.streams.size());
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            std::optional<std::size_t> wrong;
            std::optional<std::size_t>& previous = last[tasks.stream[t]()];
            if (previous && !follows(*previous, t)) wrong = previous;
            for (const sim::TaskId before : tasks.dependencies(sim::TaskId(t)))
                if (!follows(before(), t)) wrong = before();
            if (wrong) {
                return report::OrderMismatch{describe(program, sim::RankId(r), sim::TaskId(*wrong)),
                                             describe(program, sim::RankId(r), sim::TaskId(t))};
            }
            previous = t;
        }
    }
    return std::nullopt;
}

double step_time_of(const Executed& executed, const sim::Timeline& timeline) {
    const auto window = step_window(executed.simulation.lowered, timeline);
    return window ? window->end_s - window->begin_s : timeline.makespan();
}

std::string words_of_compute(const Executed& executed) {
    if (executed.executor == Executor::cuda) return "real kernels: cuBLAS, cuDNN, Orrery's own";
    if (!executed.options.emulate_compute) return "real kernels, Eigen on one thread a rank";
    if (executed.time_scale == 1) return "emulated: every kernel waits its predicted time";
    return fmt::format("emulated: every kernel waits {:.4g} times its predicted time", executed.time_scale);
}

std::string words_of_communication(const Executed& executed) {
    if (executed.executor == Executor::cuda)
        return "real messages of the plan's sizes: by NCCL between GPUs, copied within one";
    if (!executed.options.emulate_communication) return "real messages of the plan's sizes";
    return fmt::format("real messages of at most {} bytes, each held for its predicted time",
                       executed.options.most_message_bytes);
}

std::string words_of_costs(const Experiment& experiment, const Executed& executed) {
    std::string own = "calibration " + experiment.calibration;
    if (executed.cost_source == CostSource::experiment || executed.options.emulate_communication) return own;
    if (executed.options.emulate_compute) return own + "; messages as microbenchmarks on this machine took";
    return "microbenchmarks of the program's kernels and messages on this machine";
}

}  // namespace

std::size_t median_step(const Executed& executed) {
    std::vector<std::size_t> order(executed.steps.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return step_time_of(executed, executed.steps[a].timeline) <
               step_time_of(executed, executed.steps[b].timeline);
    });
    return order.at((order.size() - 1) / 2);
}

report::ExecutionComparison compare(const Experiment& experiment, const Executed& executed) {
    const parallel::Lowered& lowered = executed.simulation.lowered;
    const sim::Program& program = lowered.program;
    const Timelines all = timelines_of(executed);
    const sim::Timeline& predicted = *all.front();
    const sim::Timeline& measured = executed.steps[median_step(executed)].timeline;

    report::ExecutionComparison out;
    out.experiment = experiment.name;
    out.executor = to_string(executed.executor);
    out.machine = executed.machine;
    out.compute = words_of_compute(executed);
    out.communication = words_of_communication(executed);
    out.costs = words_of_costs(experiment, executed);
    out.ranks = static_cast<std::uint32_t>(program.ranks.size());
    out.tasks = program.tasks();
    out.repetitions = static_cast<std::uint32_t>(executed.steps.size());

    const auto metrics = [&](const sim::Timeline& timeline) {
        return sim::measure(program, timeline, executed.costs, step_window(lowered, timeline));
    };
    out.step_time_s = figure(all, [&](const sim::Timeline& t) { return step_time_of(executed, t); });
    out.bubble_ratio = figure(all, [&](const sim::Timeline& t) { return metrics(t).bubble_ratio; });
    out.bubble_ratio_span = figure(all, [&](const sim::Timeline& t) { return metrics(t).bubble_ratio_span; });
    out.peak_bytes = fullest_rank(executed);

    out.by_kind = groups(program, all, [&](const sim::RankProgram& tasks, std::size_t t) {
        return kind_of(program.works[tasks.work[t]()]);
    });
    out.by_phase = groups(program, all, [&](const sim::RankProgram& tasks, std::size_t t) {
        return computes(tasks, t) ? std::string(to_string(tasks.label[t].phase)) : std::string();
    });
    out.by_rank = ranks(executed, all);
    const double step = out.step_time_s.predicted;
    out.parting = first_apart(program, predicted, measured, kApart * step);
    for (const profiler::MeasuredStep& one : executed.steps) {
        if (!out.mismatch) out.mismatch = out_of_order(program, predicted, one.timeline);
        for (const double late : one.noticed_late_s) out.noticed_late_s = std::max(out.noticed_late_s, late);
    }
    return out;
}

}  // namespace orrery::study
