// schedules/replay.hpp
//
// The greedy replay behind evaluate(): a device runs its order until an action has to wait for another
// device, which calls it when that action has run. Every action is looked at once, and once more for every
// wait: linear in the number of actions, whatever the schedule.
#pragma once

#include "schedules/activation.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {

/// Fills start, end, busy and the messages of the evaluation, by the dependencies that evaluate.hpp states.
/// `survey`: of the same orders. Throws SimulationError when the orders deadlock or a device waits for an
/// action that no device runs.
void replay(const Schedule& schedule, const ActionTimes& times, const OrderSurvey& survey,
            Evaluation& evaluation);

/// An action that runs on the copy stream.
inline bool is_transfer(ActionKind kind) {
    return kind == ActionKind::evict || kind == ActionKind::load;
}

/// An action that sends a gradient to the stages before its own.
inline bool gives_gradient(ActionKind kind) {
    return kind == ActionKind::backward || kind == ActionKind::backward_input;
}

}  // namespace orrery::schedules
