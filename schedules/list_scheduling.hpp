// schedules/list_scheduling.hpp
//
// Orders found by simulating devices that, whenever free, take the most urgent action that is ready. Used by
// the schedules whose publications describe a rule instead of a table.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

struct ListRule {
    /// Among ready actions the one with the smallest value runs first; ties go to the action that became
    /// ready first.
    std::function<std::int64_t(const Action&)> urgency;
    /// most_alive[device]: a forward waits while that many activations are alive on the device. Empty: no
    /// limit. A limit that lets nothing run ends in SimulationError.
    std::vector<int> most_alive = {};
};

/// Fills the orders of a schedule that has everything else: one forward and one joined backward for each
/// (micro-batch, stage, slice 0), direction 0. O(actions log actions).
void schedule_by_rule(Schedule& schedule, const ActionTimes& times, const ListRule& rule);

}  // namespace orrery::schedules
