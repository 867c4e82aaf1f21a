// sim/engine/contention.cpp
//
// Kernels slow down while a collective runs beside them. Lee et al. 2025 (arXiv 2507.03114) measured by how
// much; which kernels it meets follows from the timeline itself.
#include <algorithm>
#include <cmath>
#include <vector>

#include "sim/engine/contention.hpp"
#include "sim/engine/engine.hpp"

namespace orrery::sim {

ComputeSlowdown uniform_slowdown(double factor) {
    ComputeSlowdown slowdown;
    slowdown.fill(factor);
    return slowdown;
}

bool holds_multiprocessors(const Program& program, const Work& work, StreamKind stream) {
    const auto* collective = std::get_if<Collective>(&work);
    return collective != nullptr && stream != StreamKind::tp &&
           collective->kind != CollectiveKind::send_recv &&
           program.groups[collective->group].devices.size() > 1;
}

namespace {

constexpr int kMostReplays = 16;
constexpr double kTolerance = 1e-6;

struct Interval {
    double begin = 0;
    double end = 0;
};

/// When the rank's collectives run, those of the tp stream left out, since they stand between kernels and
/// move with them: disjoint intervals in order of time.
std::vector<Interval> busy_with_collectives(const Program& program, RankId rank, const Timeline& timeline,
                                            const std::vector<bool>& holds) {
    std::vector<Interval> all;
    const RankProgram& tasks = program.program_of(rank);
    const std::uint64_t first = program.first_task[rank()];
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const bool beside = tasks.streams[tasks.stream[i]()].kind != StreamKind::tp;
        if (beside && holds[tasks.work[i]()])
            all.push_back({timeline.start[first + i], timeline.end[first + i]});
    }
    std::sort(all.begin(), all.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    std::vector<Interval> merged;
    for (const Interval& one : all) {
        if (!merged.empty() && one.begin <= merged.back().end) {
            merged.back().end = std::max(merged.back().end, one.end);
        } else {
            merged.push_back(one);
        }
    }
    return merged;
}

/// How long `work` seconds of a kernel last from `begin` on, at 1/slowdown of its speed inside the busy
/// intervals from `at` on.
double slowed(double begin, double work, const std::vector<Interval>& busy, std::size_t at, double slowdown) {
    double now = begin;
    for (; at < busy.size() && work > 0; ++at) {
        const double free = std::max(0.0, busy[at].begin - now);
        if (work <= free) break;
        work -= free;
        now = std::max(now, busy[at].begin);
        const double inside = busy[at].end - now;
        if (work * slowdown <= inside) return now + work * slowdown - begin;
        work -= inside / slowdown;
        now = busy[at].end;
    }
    return now + work - begin;
}

/// True if the kernel started as soon as the one before it, or a tp collective after that one, had ended: it
/// will do so again when that one lasts longer or shorter. False if something else held it back.
bool moves_along(const Program& program, RankId rank, TaskId task, const Timeline& timeline,
                 double previous_end) {
    const std::uint64_t first = program.first_task[rank()];
    const double start = timeline.start[first + task()];
    if (start <= previous_end * (1 + 1e-14)) return true;
    const RankProgram& tasks = program.program_of(rank);
    for (const TaskId dependency : tasks.dependencies(task)) {
        const bool tp = tasks.streams[tasks.stream[dependency()]()].kind == StreamKind::tp;
        if (tp && timeline.end[first + dependency()] >= start * (1 - 1e-14)) return true;
    }
    return false;
}

/// Sets the stretch of every kernel of the rank from the collectives it meets. Returns the largest change.
double stretch_rank(const Program& program, RankId rank, const Timeline& timeline,
                    const std::vector<bool>& holds, double slowdown, double damping,
                    std::vector<double>& stretch) {
    const std::vector<Interval> busy = busy_with_collectives(program, rank, timeline, holds);
    const RankProgram& tasks = program.program_of(rank);
    const std::uint64_t first = program.first_task[rank()];
    double change = 0;
    double old_end = 0;
    double new_end = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (tasks.streams[tasks.stream[i]()].kind != StreamKind::compute) continue;
        const double start = timeline.start[first + i];
        const double end = timeline.end[first + i];
        const double work = end - start - stretch[first + i];
        const double begin = moves_along(program, rank, TaskId(i), timeline, old_end)
                                 ? start + (new_end - old_end)
                                 : std::max(start, new_end);
        while (at < busy.size() && busy[at].end <= begin) ++at;  // the compute stream runs in issue order
        const double wanted = std::max(0.0, slowed(begin, work, busy, at, slowdown) - work);
        const double now = stretch[first + i] + damping * (wanted - stretch[first + i]);
        change = std::max(change, std::abs(now - stretch[first + i]));
        stretch[first + i] = now;
        old_end = end;
        new_end = begin + work + now;
    }
    return change;
}

}  // namespace

Timeline replay_with_contention(const Program& program, const WorkCosts& costs, double slowdown) {
    return replay_with_contention(program, costs, slowdown, {});
}

Timeline replay_with_contention(const Program& program, const WorkCosts& costs, double slowdown,
                                std::span<const double> added) {
    Timeline timeline = replay(program, costs, added);
    if (slowdown <= 1) return timeline;
    std::vector<bool> holds;
    for (const Work& work : program.works)
        holds.push_back(holds_multiprocessors(program, work, StreamKind::dp));
    std::vector<double> stretch(program.tasks(), 0);
    double damping = 1;
    double last_move = 0;
    for (int round = 1, still = 0; round < kMostReplays && still < 2; ++round) {
        double change = 0;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            change = std::max(change,
                              stretch_rank(program, RankId(r), timeline, holds, slowdown, damping, stretch));
        }
        if (change == 0) break;
        const double before = timeline.makespan();
        if (added.empty()) {
            timeline = replay(program, costs, stretch);
        } else {
            std::vector<double> both(stretch);
            for (std::size_t t = 0; t < both.size(); ++t) both[t] += added[t];
            timeline = replay(program, costs, both);
        }
        // Stages of a pipeline that delay each other make the step swing to and fro: half steps end that.
        const double move = timeline.makespan() - before;
        if (move * last_move < 0) damping = 0.5;
        last_move = move;
        still = std::abs(move) <= kTolerance * before ? still + 1 : 0;
    }
    return timeline;
}

}  // namespace orrery::sim
