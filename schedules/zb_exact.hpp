// schedules/zb_exact.hpp
//
// The optimum of the zero-bubble problem (Qi et al. 2024, appendix G states it as an integer program), for
// small cases: orders of F, B and W that make the longest span shortest, run greedily, within the memory
// limit.
//
// Micro-batches are alike, so an order is a path of counts (F, B, W done) on every stage. All partial
// schedules with the same counts are compared: one whose clocks and pending transfers are all no later than
// another's makes the other superfluous. What cannot beat the best known span any more is dropped. Any
// stage's first start is fixed (the first F of every stage before it), so earlier is always better and this
// is exact.
#pragma once

#include <cstddef>
#include <optional>

#include "schedules/zb_auto.hpp"

namespace orrery::schedules {

struct ExactSearch {
    ZeroBubbleOrder best;
    bool proven = false;      ///< the best is optimal; otherwise the budget ran out
    std::size_t partial = 0;  ///< partial schedules kept
};

struct ExactLimits {
    /// Partial schedules kept: a limit on work and memory that, unlike a time limit, gives the same answer on
    /// every machine.
    std::size_t partial = 3'000'000;
    std::optional<double> seconds = std::nullopt;
};

/// Improves on `start` (of the heuristic).
ExactSearch zero_bubble_exact(const ZeroBubbleProblem& problem, ZeroBubbleOrder start,
                              const ExactLimits& limits = {});

}  // namespace orrery::schedules
