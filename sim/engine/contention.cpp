// sim/engine/contention.cpp
//
// Kernels slow down while a collective runs beside them. Lee et al. 2025 (arXiv 2507.03114) measured by how
// much; which kernels it meets follows from the timeline itself.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "sim/engine/contention.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/replayer.hpp"

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
    double slowdown = 1;
};

/// What the rounds read of a RankProgram, shared by the ranks that run it.
struct Outline {
    std::vector<std::uint32_t> kernels;       ///< tasks of the compute stream, in issue order
    std::vector<std::uint32_t> tp_before;     ///< of all kernels: the tp collectives they wait for
    std::vector<std::uint32_t> before_begin;  ///< [kernel] its first of those; one more at the end
    /// Collectives that slow kernels. Those of the tp stream stand between kernels and move with them.
    std::vector<std::uint32_t> beside;
    std::vector<double> slowdown;  ///< of each of them, above 1
};

/// `slowdown`: [work] of kernels beside it, 1 of what slows none.
Outline outline_of(const RankProgram& tasks, const std::vector<double>& slowdown) {
    const auto stream_of = [&](std::size_t task) { return tasks.streams[tasks.stream[task]()].kind; };
    Outline outline;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const StreamKind stream = stream_of(i);
        if (stream != StreamKind::tp && slowdown[tasks.work[i]()] > 1) {
            outline.beside.push_back(static_cast<std::uint32_t>(i));
            outline.slowdown.push_back(slowdown[tasks.work[i]()]);
        }
        if (stream != StreamKind::compute) continue;
        outline.kernels.push_back(static_cast<std::uint32_t>(i));
        outline.before_begin.push_back(static_cast<std::uint32_t>(outline.tp_before.size()));
        for (const TaskId before : tasks.dependencies(TaskId(i)))
            if (stream_of(before()) == StreamKind::tp) outline.tp_before.push_back(before.value);
    }
    outline.before_begin.push_back(static_cast<std::uint32_t>(outline.tp_before.size()));
    return outline;
}

/// How long `work` seconds of a kernel last from `begin` on, at 1/slowdown of its speed inside the busy
/// intervals from `at` on.
double slowed(double begin, double work, const std::vector<Interval>& busy, std::size_t at) {
    double now = begin;
    for (; at < busy.size() && work > 0; ++at) {
        const double slowdown = busy[at].slowdown;
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

/// Stretches every kernel by what it meets, round by round.
class Rounds {
  public:
    Rounds(const Program& p, const ComputeSlowdown& by_kind) : stretch(p.tasks(), 0), program(p) {
        std::vector<double> slowdown;
        for (const Work& work : program.works)
            slowdown.push_back(holds_multiprocessors(program, work, StreamKind::dp)
                                   ? by_kind[static_cast<std::size_t>(std::get<Collective>(work).kind)]
                                   : 1);
        for (const RankProgram& tasks : program.rank_programs)
            outlines.push_back(outline_of(tasks, slowdown));
    }

    /// Moves the stretches by `damping` of the way to what the timeline asks for. Returns the largest change.
    double next(const Timeline& timeline, double damping) {
        double change = 0;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const Outline& outline = outlines[program.ranks[r].program];
            if (outline.beside.empty()) continue;
            const std::uint64_t first = program.first_task[r];
            find_busy(outline, timeline.start.data() + first, timeline.end.data() + first);
            change =
                std::max(change, stretch_rank(outline, timeline.start.data() + first,
                                              timeline.end.data() + first, damping, stretch.data() + first));
        }
        return change;
    }

    std::vector<double> stretch;  ///< [global task]

  private:
    /// When the rank's collectives run: disjoint intervals in order of time.
    void find_busy(const Outline& outline, const double* start, const double* end) {
        busy.clear();
        for (std::size_t i = 0; i < outline.beside.size(); ++i)
            busy.push_back({start[outline.beside[i]], end[outline.beside[i]], outline.slowdown[i]});
        const auto earlier = [](const Interval& a, const Interval& b) { return a.begin < b.begin; };
        if (!std::is_sorted(busy.begin(), busy.end(), earlier)) std::sort(busy.begin(), busy.end(), earlier);
        const auto other = [this](const Interval& one) { return one.slowdown != busy.front().slowdown; };
        if (std::any_of(busy.begin(), busy.end(), other)) return divide_busy();
        std::size_t last = 0;
        for (std::size_t i = 1; i < busy.size(); ++i) {
            if (busy[i].begin <= busy[last].end) {
                busy[last].end = std::max(busy[last].end, busy[i].end);
            } else {
                busy[++last] = busy[i];
            }
        }
        busy.resize(last + 1);
    }

    /// The same where they slow kernels by different factors: the largest of those under way at a time.
    void divide_busy() {
        std::vector<double> times;
        for (const Interval& one : busy) times.insert(times.end(), {one.begin, one.end});
        std::sort(times.begin(), times.end());
        times.erase(std::unique(times.begin(), times.end()), times.end());
        std::multiset<double> factors;                // under way
        std::vector<std::pair<double, double>> ends;  // when, of which factor; the next one last
        std::vector<Interval> pieces;
        std::size_t next = 0;
        for (std::size_t t = 0; t + 1 < times.size(); ++t) {
            while (!ends.empty() && ends.back().first <= times[t]) {
                factors.erase(factors.find(ends.back().second));
                ends.pop_back();
            }
            for (; next < busy.size() && busy[next].begin <= times[t]; ++next) {
                if (busy[next].end <= times[t]) continue;
                factors.insert(busy[next].slowdown);
                const std::pair mine(busy[next].end, busy[next].slowdown);
                ends.insert(std::upper_bound(ends.begin(), ends.end(), mine, std::greater<>()), mine);
            }
            if (factors.empty()) continue;
            const double most = *factors.rbegin();
            if (!pieces.empty() && pieces.back().end == times[t] && pieces.back().slowdown == most)
                pieces.back().end = times[t + 1];
            else
                pieces.push_back({times[t], times[t + 1], most});
        }
        busy = std::move(pieces);
    }

    /// True if the kernel started as soon as the one before it, or a tp collective after that one, had ended:
    /// it will do so again when that one lasts longer or shorter. False if something else held it back.
    static bool moves_along(const Outline& outline, std::size_t kernel, double start, double previous_end,
                            const double* end) {
        if (start <= previous_end * (1 + 1e-14)) return true;
        for (std::uint32_t b = outline.before_begin[kernel]; b < outline.before_begin[kernel + 1]; ++b)
            if (end[outline.tp_before[b]] >= start * (1 - 1e-14)) return true;
        return false;
    }

    double stretch_rank(const Outline& outline, const double* start, const double* end, double damping,
                        double* added) const {
        double change = 0;
        double old_end = 0;
        double new_end = 0;
        std::size_t at = 0;
        for (std::size_t k = 0; k < outline.kernels.size(); ++k) {
            const std::uint32_t task = outline.kernels[k];
            const double work = end[task] - start[task] - added[task];
            const double begin = moves_along(outline, k, start[task], old_end, end)
                                     ? start[task] + (new_end - old_end)
                                     : std::max(start[task], new_end);
            while (at < busy.size() && busy[at].end <= begin) ++at;  // compute runs in issue order
            const double wanted = std::max(0.0, slowed(begin, work, busy, at) - work);
            const double now = added[task] + damping * (wanted - added[task]);
            change = std::max(change, std::abs(now - added[task]));
            added[task] = now;
            old_end = end[task];
            new_end = begin + work + now;
        }
        return change;
    }

    const Program& program;
    std::vector<Outline> outlines;  ///< [rank program]
    std::vector<Interval> busy;     ///< of the rank at hand
};

}  // namespace

Timeline replay_with_contention(const Program& program, const WorkCosts& costs, double slowdown) {
    return replay_with_contention(program, costs, uniform_slowdown(slowdown), {});
}

Timeline replay_with_contention(const Program& program, const WorkCosts& costs,
                                const ComputeSlowdown& slowdown, std::span<const double> added) {
    Replayer replayer(program, costs);
    Timeline timeline = make_timeline(program.tasks());
    double makespan = replayer.run(added, timeline);
    if (*std::max_element(slowdown.begin(), slowdown.end()) <= 1) return timeline;
    Rounds rounds(program, slowdown);
    std::vector<double> both;
    double damping = 1;
    double last_move = 0;
    for (int round = 1, still = 0; round < kMostReplays && still < 2; ++round) {
        if (rounds.next(timeline, damping) == 0) break;
        const double before = makespan;
        if (added.empty()) {
            makespan = replayer.run(rounds.stretch, timeline);
        } else {
            both = rounds.stretch;
            for (std::size_t t = 0; t < both.size(); ++t) both[t] += added[t];
            makespan = replayer.run(both, timeline);
        }
        // Stages of a pipeline that delay each other make the step swing to and fro: half steps end that.
        const double move = makespan - before;
        if (move * last_move < 0) damping = 0.5;
        last_move = move;
        still = std::abs(move) <= kTolerance * before ? still + 1 : 0;
    }
    return timeline;
}

}  // namespace orrery::sim
