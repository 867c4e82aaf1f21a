#include "sim/metrics/gap.hpp"

#include <algorithm>
#include <numeric>

namespace orrery::sim {
namespace {

using Count = std::function<void(const Stretch&)>;

TimeUse use_of_stream(StreamKind kind) {
    switch (kind) {
        case StreamKind::compute:
            return TimeUse::compute;
        case StreamKind::tp:
            return TimeUse::tp;
        case StreamKind::cp:
            return TimeUse::cp;
        case StreamKind::ep:
            return TimeUse::ep;
        case StreamKind::dp:
            return TimeUse::dp;
        case StreamKind::pp_send:
        case StreamKind::pp_recv:
            return TimeUse::pp;
        case StreamKind::copy_in:
        case StreamKind::copy_out:
            return TimeUse::copy;
    }
    return TimeUse::bubble;
}

/// A collective on a compute stream blocks it by design; its purpose tells whose time it is.
TimeUse use_of_blocking_collective(const Collective& collective, Phase phase) {
    if (phase == Phase::parameter_gather || phase == Phase::gradient_reduce || phase == Phase::optimizer)
        return TimeUse::dp;
    return collective.kind == CollectiveKind::send_recv ? TimeUse::pp : TimeUse::tp;
}

void count_if_any(double begin, double end, TimeUse use, const Count& count, std::uint32_t task = kNoTask) {
    if (begin < end) count({begin, end, use, task});
}

}  // namespace

PreparedTasks trace(const RankProgram& tasks, const std::vector<Work>& works) {
    PreparedTasks traced;
    traced.tasks = &tasks;
    std::vector<std::uint32_t> last(tasks.streams.size(), kNoTask);
    for (const StreamInfo& stream : tasks.streams)
        if (stream.kind == StreamKind::compute) ++traced.compute_streams;
    for (std::uint32_t i = 0; i < tasks.size(); ++i) {
        const std::size_t stream = tasks.stream[i]();
        traced.previous.push_back(last[stream]);
        last[stream] = i;
        TimeUse use = use_of_stream(tasks.streams[stream].kind);
        const auto* collective = std::get_if<Collective>(&works[tasks.work[i]()]);
        if (use == TimeUse::compute && collective != nullptr)
            use = use_of_blocking_collective(*collective, tasks.label[i].phase);
        else if (use == TimeUse::compute && tasks.label[i].phase == Phase::optimizer)
            use = TimeUse::optimizer;
        if (use == TimeUse::compute || use == TimeUse::optimizer) traced.compute.push_back(i);
        traced.use.push_back(use);
    }
    return traced;
}

RankTrace::RankTrace(const PreparedTasks& traced, const WorkCosts& prices, std::span<const double> starts,
                     std::span<const double> ends)
    : program(traced), costs(prices), start(starts), end(ends) {
    // The host's clock, as sim/engine/packed_program.hpp adds it up.
    issue.reserve(program.tasks->size());
    double segment_begin = 0;
    double in_segment = 0;
    for (std::size_t i = 0; i < program.tasks->size(); ++i) {
        const double launch = costs[program.tasks->work[i]()].launch_s;
        issue.push_back(segment_begin + in_segment);
        in_segment += launch;
        if ((program.tasks->flags[i] & kHostWaits) == 0) continue;
        segment_begin = std::max(issue[i] + launch, end[i]);
        in_segment = 0;
    }
}

/// When a task would have ended its launches and could run undisturbed.
double RankTrace::launched(std::uint32_t task) const {
    const WorkCost& cost = costs[program.tasks->work[task]()];
    return issue[task] + cost.issue_to_end_s - cost.duration_s;
}

std::vector<std::uint32_t> RankTrace::compute_by_start() const {
    std::vector<std::uint32_t> order = program.compute;
    if (program.compute_streams > 1)
        std::stable_sort(order.begin(), order.end(),
                         [this](std::uint32_t a, std::uint32_t b) { return start[a] < start[b]; });
    return order;
}

std::uint32_t RankTrace::last_predecessor(std::uint32_t task) const {
    std::uint32_t last = program.previous[task];
    for (const TaskId before : program.tasks->dependencies(TaskId(task)))
        if (last == kNoTask || end[before()] > end[last]) last = before.value;
    return last;
}

std::uint32_t RankTrace::last_of_all() const {
    return static_cast<std::uint32_t>(std::max_element(end.begin(), end.end()) - end.begin());
}

/// Counts [begin, until), in which `task` runs.
void RankTrace::running(double begin, double until, std::uint32_t task, const Count& count) const {
    const double host_until = std::clamp(launched(task), begin, until);
    count_if_any(begin, host_until, TimeUse::host, count);
    count_if_any(host_until, until, program.use[task], count, task);
}

/// Counts [begin, until), at whose end `task` starts, back along what it waited for.
void RankTrace::follow(double begin, double until, std::uint32_t task, const Count& count) const {
    while (until > begin) {
        const std::uint32_t before = last_predecessor(task);
        const double ended = before == kNoTask ? begin : std::clamp(end[before], begin, until);
        const double issued = std::clamp(issue[task], ended, until);
        count_if_any(ended, issued, TimeUse::host, count);
        count_if_any(issued, until, TimeUse::bubble, count);
        if (before == kNoTask || ended <= begin) return;
        until = std::clamp(start[before], begin, ended);
        running(until, ended, before, count);
        task = before;
    }
}

void RankTrace::cover(double begin, double until, const Count& count) const {
    double covered = begin;
    for (const std::uint32_t task : compute_by_start()) {
        if (end[task] <= covered) continue;
        if (start[task] >= until) break;
        const double from = std::max(start[task], covered);
        if (from > covered) follow(covered, from, task, count);
        covered = std::min(end[task], until);
        running(from, covered, task, count);
        if (covered >= until) return;
    }
    if (covered >= until) return;
    if (start.empty()) return count({covered, until, TimeUse::bubble});
    // The tail: up to the rank's last task the wait for that one, after it for the other ranks.
    const std::uint32_t last = last_of_all();
    const double ended = std::clamp(end[last], covered, until);
    count_if_any(ended, until, TimeUse::bubble, count);
    const double started = std::clamp(start[last], covered, ended);
    if (ended > covered) {
        running(started, ended, last, count);
        follow(covered, started, last, count);
    }
}

}  // namespace orrery::sim
