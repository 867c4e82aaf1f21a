// study/expert_result.hpp
//
// What a simulation says of its experts: how evenly tokens fell, how long they travelled.
#pragma once

#include "report/result.hpp"
#include "study/simulate.hpp"

namespace orrery::study {

/// The simulation must be of a model with experts.
report::ExpertResult expert_result(const Experiment& experiment, const Simulation& simulation);

}  // namespace orrery::study
