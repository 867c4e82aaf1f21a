// tests/profiler/timeline_rules.hpp
//
// What holds of every measured timeline (sim/program.hpp), whatever executed it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::profiler::testing {

constexpr double kClock = 1e-9;  ///< differences of clock readings

/// Tasks last at least their cost; streams are in order; dependencies end first.
inline void expect_rules_kept(const sim::Program& program, const sim::WorkCosts& costs,
                              const sim::Timeline& timeline) {
    ASSERT_EQ(timeline.end.size(), program.tasks());
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        std::vector<double> free(tasks.streams.size(), 0);
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            const std::size_t at = program.first_task[r] + t;
            const std::string name = describe(program, sim::RankId(r), sim::TaskId(t));
            EXPECT_GE(timeline.end[at], timeline.start[at] + costs[tasks.work[t]()].duration_s - kClock)
                << name;
            EXPECT_GE(timeline.start[at], free[tasks.stream[t]()] - kClock) << name;
            free[tasks.stream[t]()] = timeline.end[at];
            for (const sim::TaskId before : tasks.dependencies(sim::TaskId(t)))
                EXPECT_GE(timeline.start[at], timeline.end[program.first_task[r] + before()] - kClock)
                    << name;
        }
    }
}

/// All members of an operation start together, and none ends before that.
inline void expect_rendezvous_kept(const sim::Program& program, const sim::Timeline& timeline) {
    std::map<std::pair<sim::CommunicatorId, std::uint32_t>, double> started;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (tasks.communicator_slot[t] == sim::kNoCommunicator) continue;
            const std::size_t at = program.first_task[r] + t;
            const auto [first, added] = started.emplace(
                std::pair{program.ranks[r].communicators[tasks.communicator_slot[t]], tasks.sequence[t]},
                timeline.start[at]);
            EXPECT_NEAR(first->second, timeline.start[at], kClock)
                << describe(program, sim::RankId(r), sim::TaskId(t));
            EXPECT_GE(timeline.end[at], first->second - kClock);
        }
    }
}

}  // namespace orrery::profiler::testing
