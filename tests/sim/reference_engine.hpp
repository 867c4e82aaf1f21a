// tests/sim/reference_engine.hpp
//
// The rules of sim/program.hpp and sim/engine/engine.hpp written down as plainly as possible: a queue of
// events in time order; after each, whatever may start does. Slow, and sharing nothing with the engines that
// it checks.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim::testing {

class ReferenceEngine {
  public:
    ReferenceEngine(const Program& p, const WorkCosts& c) : program(p), costs(c) {
        for (std::size_t r = 0; r < program.ranks.size(); ++r)
            tasks.emplace_back(program.program_of(RankId(r)).size());
    }

    /// Nothing when the program cannot proceed.
    std::optional<Timeline> run() {
        for (std::size_t r = 0; r < tasks.size(); ++r)
            if (!tasks[r].empty()) events.push({0, r, 0, true});
        while (!events.empty()) {
            const Event event = events.top();
            events.pop();
            now = event.time;
            if (event.is_issue)
                issue(event.rank, event.task);
            else
                end(event.rank, event.task);
            while (start_something()) {
            }
        }
        Timeline timeline;
        for (const auto& list : tasks)
            for (const State& task : list) {
                if (!task.ended) return std::nullopt;
                timeline.start.push_back(task.start);
                timeline.end.push_back(task.end);
            }
        return timeline;
    }

  private:
    struct State {
        bool issued = false;
        bool started = false;
        bool ended = false;
        double issue = 0;
        double start = 0;
        double end = 0;
    };
    struct Event {
        double time;
        std::size_t rank;
        std::size_t task;
        bool is_issue;
        bool operator<(const Event& other) const { return time > other.time; }
    };

    [[nodiscard]] const RankProgram& of(std::size_t rank) const { return program.program_of(RankId(rank)); }
    [[nodiscard]] const WorkCost& cost(std::size_t rank, std::size_t task) const {
        return costs[of(rank).work[task]()];
    }
    [[nodiscard]] bool blocks_host(std::size_t rank, std::size_t task) const {
        return (of(rank).flags[task] & kHostWaits) != 0;
    }

    void issue(std::size_t rank, std::size_t task) {
        tasks[rank][task].issued = true;
        tasks[rank][task].issue = now;
        if (!blocks_host(rank, task) && task + 1 < tasks[rank].size())
            events.push({now + cost(rank, task).launch_s, rank, task + 1, true});
    }

    void end(std::size_t rank, std::size_t task) {
        tasks[rank][task].ended = true;
        if (blocks_host(rank, task) && task + 1 < tasks[rank].size())
            events.push(
                {std::max(now, tasks[rank][task].issue + cost(rank, task).launch_s), rank, task + 1, true});
    }

    [[nodiscard]] bool ready(std::size_t rank, std::size_t task) const {
        const auto& list = tasks[rank];
        if (!list[task].issued || list[task].started) return false;
        for (std::size_t i = 0; i < task; ++i)
            if (of(rank).stream[i] == of(rank).stream[task] && !list[i].ended) return false;
        for (const TaskId before : of(rank).dependencies(TaskId(task)))
            if (!list[before()].ended) return false;
        return true;
    }

    /// The member's side of an operation.
    [[nodiscard]] std::optional<std::size_t> side(std::size_t rank, CommunicatorId id,
                                                  std::uint32_t sequence) const {
        for (std::size_t i = 0; i < tasks[rank].size(); ++i) {
            const std::uint32_t slot = of(rank).communicator_slot[i];
            if (slot != kNoCommunicator && program.ranks[rank].communicators[slot] == id &&
                of(rank).sequence[i] == sequence)
                return i;
        }
        return std::nullopt;
    }

    bool start_something() {
        for (std::size_t r = 0; r < tasks.size(); ++r)
            for (std::size_t i = 0; i < tasks[r].size(); ++i)
                if (ready(r, i) && start(r, i)) return true;
        return false;
    }

    bool start(std::size_t rank, std::size_t task) {
        std::vector<std::pair<std::size_t, std::size_t>> sides = {{rank, task}};
        const std::uint32_t slot = of(rank).communicator_slot[task];
        if (slot != kNoCommunicator) {
            sides.clear();
            const CommunicatorId id = program.ranks[rank].communicators[slot];
            for (const RankId member : program.communicators[id()].members) {
                const auto other = side(member(), id, of(rank).sequence[task]);
                if (!other || !ready(member(), *other)) return false;
                sides.emplace_back(member(), *other);
            }
        }
        double finish = 0;
        for (const auto& [r, i] : sides)
            finish = std::max(
                {finish, now + cost(r, i).duration_s, tasks[r][i].issue + cost(r, i).issue_to_end_s});
        for (const auto& [r, i] : sides) {
            tasks[r][i].started = true;
            tasks[r][i].start = now;
            tasks[r][i].end = finish;
            events.push({finish, r, i, false});
        }
        return true;
    }

    const Program& program;
    const WorkCosts& costs;
    std::vector<std::vector<State>> tasks;
    std::priority_queue<Event> events;
    double now = 0;
};

}  // namespace orrery::sim::testing
