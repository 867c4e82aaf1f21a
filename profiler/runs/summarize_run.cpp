#include "profiler/runs/summarize_run.hpp"

#include <algorithm>
#include <map>

#include "profiler/fit_quality.hpp"

namespace orrery::profiler {
namespace {

struct Interval {
    double begin;
    double end;
};

/// The union of the tasks' intervals, in order; tasks are sorted by start.
template <class Keep>
std::vector<Interval> covered(const std::vector<MeasuredTask>& tasks, const Keep& keep) {
    std::vector<Interval> out;
    for (const MeasuredTask& task : tasks) {
        if (!keep(task)) continue;
        if (out.empty() || task.start_s > out.back().end) {
            out.push_back({task.start_s, task.end_s});
        } else {
            out.back().end = std::max(out.back().end, task.end_s);
        }
    }
    return out;
}

double length(const std::vector<Interval>& intervals) {
    double sum = 0;
    for (const Interval& each : intervals) sum += each.end - each.begin;
    return sum;
}

/// How much of [begin, end) the intervals cover.
double overlap(const std::vector<Interval>& intervals, double begin, double end) {
    auto at = std::lower_bound(intervals.begin(), intervals.end(), begin,
                               [](const Interval& each, double x) { return each.end <= x; });
    double sum = 0;
    for (; at != intervals.end() && at->begin < end; ++at)
        sum += std::min(at->end, end) - std::max(at->begin, begin);
    return sum;
}

constexpr double kAlone = 0.02;  // share of a kernel's time beside communication
constexpr double kBeside = 0.98;
constexpr std::size_t kFewest = 3;  // runs of either kind

Slowdown slowdown_of(const MeasuredRun& run, const std::vector<Interval>& communication) {
    struct Times {
        std::vector<double> alone, beside;
    };
    std::map<std::int32_t, Times> by_name;
    for (const MeasuredTask& task : run.tasks) {
        const double time = task.end_s - task.start_s;
        if (communicates(task.family) || time <= 0) continue;
        const double share = overlap(communication, task.start_s, task.end_s) / time;
        if (share <= kAlone) by_name[task.name].alone.push_back(time);
        if (share >= kBeside) by_name[task.name].beside.push_back(time);
    }
    Slowdown out;
    double weighted = 0;
    double weight = 0;
    for (const auto& [name, times] : by_name) {
        if (times.alone.size() < kFewest || times.beside.size() < kFewest) continue;
        // One name may stand for several shapes; compare only where the spread is small.
        const double spread = quantile(times.alone, 0.9) / std::max(quantile(times.alone, 0.1), 1e-9);
        if (spread > 1.25) continue;
        const double alone = quantile(times.alone, 0.5);
        const double w = alone * static_cast<double>(times.beside.size());
        weighted += w * quantile(times.beside, 0.5) / alone;
        weight += w;
        ++out.kernels;
        out.runs += static_cast<int>(times.beside.size());
    }
    if (weight > 0) out.ratio = weighted / weight;
    return out;
}

}  // namespace

RunSummary summarize_run(const MeasuredRun& run) {
    RunSummary out;
    for (const MeasuredTask& task : run.tasks) {
        FamilyTime& family = out.families.at(static_cast<std::size_t>(task.family));
        ++family.tasks;
        family.sum_s += task.end_s - task.start_s;
        out.span_s = std::max(out.span_s, task.end_s);
    }
    const auto all = covered(run.tasks, [](const MeasuredTask&) { return true; });
    const auto compute = covered(run.tasks, [](const MeasuredTask& t) { return !communicates(t.family); });
    const auto communication =
        covered(run.tasks, [](const MeasuredTask& t) { return communicates(t.family); });
    out.busy_s = length(all);
    out.gap_s = out.span_s - out.busy_s;
    out.compute_s = length(compute);
    out.exposed_comm_s = out.busy_s - out.compute_s;
    out.overlapped_comm_s = length(communication) - out.exposed_comm_s;
    out.slowdown = slowdown_of(run, communication);
    return out;
}

}  // namespace orrery::profiler
