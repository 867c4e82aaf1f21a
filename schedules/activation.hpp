// schedules/activation.hpp
//
// Activations alive on each device over an order.
#pragma once

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

/// Fills both peaks of the evaluation. An F takes 1/(v q); the joined backward or W (first peak), or any
/// backward (second peak), gives it back; in a unit of F and B the F takes first. That depends on the order
/// alone. An eviction frees its device when it has ended and fills the partner from its start, a load the
/// other way round: with transfers the peaks are read off the evaluation's times.
void measure_activations(const Schedule& schedule, Evaluation& evaluation);

}  // namespace orrery::schedules
