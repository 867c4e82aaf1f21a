// schedules/zb_integer_program.hpp
//
// The zero-bubble problem as an integer program (Qi et al. 2024, "Zero Bubble Pipeline Parallelism", appendix
// G), solved by COIN-OR's CBC. Variables: the end of every F, B and W, and for each pair of actions of
// different kind on a stage which of them comes first. An action follows what it depends on and what comes
// before it on its stage; at every F the activations alive, which the order variables add up to, are within
// the limit; the longest span of a stage is smallest. Actions of one kind run in the order of the
// micro-batches, which are alike.
#pragma once

#include <optional>

#include "schedules/zb_auto.hpp"

namespace orrery::schedules {

/// Whether this build has CBC.
bool have_integer_programs();

struct IntegerProgramResult {
    ZeroBubbleOrder best;
    bool proven = false;  ///< no order is better
};

/// Improves on `start` within so many seconds. Throws MissingCapability where the build has no CBC.
IntegerProgramResult zero_bubble_integer_program(const ZeroBubbleProblem& problem, ZeroBubbleOrder start,
                                                 double seconds);

}  // namespace orrery::schedules
