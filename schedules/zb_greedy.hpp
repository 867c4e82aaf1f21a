// schedules/zb_greedy.hpp
//
// A zero-bubble order for memory limits below what 1F1B takes. The rounds of the paper's search (zb_auto.hpp)
// put one forward and one backward on every stage; where memory holds fewer micro-batches than there are
// stages, the forward of a round comes long after the backward and holds it up. Here every stage does
// whatever can start first: an input gradient before a forward before a weight gradient among those that can
// start at once.
#pragma once

#include <optional>

#include "schedules/zb_auto.hpp"

namespace orrery::schedules {

/// The greedy order; none where a stage can neither proceed nor make room. O(p^2 m).
std::optional<ZeroBubbleOrder> zero_bubble_greedy(const ZeroBubbleProblem& problem);

/// Does some stage's memory hold fewer micro-batches than 1F1B keeps there?
bool below_one_f_one_b(const ZeroBubbleProblem& problem);

}  // namespace orrery::schedules
