// study/division_check.hpp
//
// What must hold for sequences divided by context parallelism and experts divided by expert parallelism.
// Each throws InputError at the key to change.
#pragma once

#include "study/experiment.hpp"

namespace orrery::study {

void check_context(const Experiment& experiment);
void check_experts(const Experiment& experiment);

}  // namespace orrery::study
