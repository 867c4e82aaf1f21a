// schedules/activation.hpp
//
// Activations alive on each device over an order. An F takes 1/(v q); the joined backward or W, or any
// backward where B gives everything back, returns it; in a unit of F and B the F takes first. That depends on
// the order alone. An eviction frees its device when it has ended and fills the partner from its start, a
// load the other way round: with transfers the peaks are read off the evaluation's times.
#pragma once

#include <array>
#include <vector>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

/// What one pass over the orders tells before any time is known.
struct OrderSurvey {
    std::array<bool, 7> has{};  ///< kinds of actions that occur
    std::vector<double> peak;   ///< per device, as in Evaluation, transfers not counted
    std::vector<double> peak_released_at_backward;

    [[nodiscard]] bool any(ActionKind kind) const { return has[static_cast<std::size_t>(kind)]; }
};

OrderSurvey survey_orders(const Schedule& schedule);

/// Fills both peaks of an evaluation that has its times.
void measure_activations(const Schedule& schedule, const OrderSurvey& survey, Evaluation& evaluation);

}  // namespace orrery::schedules
