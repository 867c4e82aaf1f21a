// sim/engine/contention.cpp
//
// Kernels slow down while a collective runs beside them. Lee et al. 2025 (arXiv 2507.03114) measured by how
// much; which kernels it meets follows from the timeline itself.
#include <algorithm>
#include <cmath>
#include <vector>

#include "sim/engine/engine.hpp"

namespace orrery::sim {
namespace {

constexpr int kMostReplays = 32;
constexpr double kTolerance = 1e-12;

struct Interval {
    double begin = 0;
    double end = 0;
};

bool holds_the_gpu(const Program& program, const Work& work) {
    const auto* collective = std::get_if<Collective>(&work);
    return collective != nullptr && collective->kind != CollectiveKind::send_recv &&
           program.groups[collective->group].devices.size() > 1;
}

/// When the rank's collectives run: disjoint intervals in order of time.
std::vector<Interval> busy_with_collectives(const Program& program, RankId rank, const Timeline& timeline,
                                            const std::vector<bool>& holds) {
    std::vector<Interval> all;
    const RankProgram& tasks = program.program_of(rank);
    const std::uint64_t first = program.first_task[rank()];
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (holds[tasks.work[i]()]) all.push_back({timeline.start[first + i], timeline.end[first + i]});
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

/// Sets the stretch of every kernel of the rank from what of it overlaps a collective. Returns the largest
/// change.
double stretch_rank(const Program& program, RankId rank, const Timeline& timeline,
                    const std::vector<bool>& holds, double slowdown, std::vector<double>& stretch) {
    const std::vector<Interval> busy = busy_with_collectives(program, rank, timeline, holds);
    const RankProgram& tasks = program.program_of(rank);
    const std::uint64_t first = program.first_task[rank()];
    double change = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const bool kernel = tasks.streams[tasks.stream[i]()].kind == StreamKind::compute;
        if (!kernel) continue;
        const double begin = timeline.start[first + i];
        const double end = timeline.end[first + i];
        while (at < busy.size() && busy[at].end <= begin) ++at;  // the compute stream runs in issue order
        double overlap = 0;
        for (std::size_t k = at; k < busy.size() && busy[k].begin < end; ++k) {
            overlap += std::min(end, busy[k].end) - std::max(begin, busy[k].begin);
        }
        const double now = overlap * (1 - 1 / slowdown);
        change = std::max(change, std::abs(now - stretch[first + i]));
        stretch[first + i] = now;
    }
    return change;
}

}  // namespace

Timeline replay_with_contention(const Program& program, const WorkCosts& costs, double slowdown) {
    Timeline timeline = replay(program, costs);
    if (slowdown <= 1) return timeline;
    std::vector<bool> holds;
    for (const Work& work : program.works) holds.push_back(holds_the_gpu(program, work));
    std::vector<double> stretch(program.tasks(), 0);
    for (int round = 1; round < kMostReplays; ++round) {
        double change = 0;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            change = std::max(change, stretch_rank(program, RankId(r), timeline, holds, slowdown, stretch));
        }
        if (change <= kTolerance * timeline.makespan()) break;
        timeline = replay(program, costs, stretch);
    }
    return timeline;
}

}  // namespace orrery::sim
