// schedules/dynapipe.hpp
//
// DynaPipe's two algorithms (Jiang et al. 2024, "DynaPipe: Optimizing Multi-task Training through Dynamic
// Pipelines"): cutting samples of very different length into micro-batches, and an order for micro-batches of
// different size that keeps every device within its memory.
#pragma once

#include <functional>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Of a micro-batch of so many samples, all padded to the longest.
using BatchCost = std::function<double(int samples, int longest)>;

struct BatchPlan {
    double time = 0;         ///< sum of the micro-batches' times + (depth-1) times the longest
    std::vector<int> sizes;  ///< samples of each micro-batch, in the order of the samples
};

/// The cut of ascending sample lengths into micro-batches of neighbours that takes the shortest time on a
/// pipeline of `depth` stages (section 4: dynamic programming for every bound on the longest micro-batch),
/// each within `memory_limit`. Throws InputError when a sample alone does not fit, there is none, or there
/// are more than 2,000. O(n^2) for each bound that can still win.
BatchPlan best_micro_batches(const std::vector<int>& lengths, int depth, const BatchCost& time,
                             const BatchCost& memory, double memory_limit);

/// Memory-aware cyclic schedule (section 5): in every cycle each stage runs one forward that reached it in an
/// earlier cycle, if it fits into its memory, and one backward. No stage ever waits for another within a
/// cycle, which makes the order robust against different times. `sizes`: activations of each micro-batch.
/// Throws InputError (key "memory-limit") when one alone does not fit.
std::vector<std::vector<Action>> cyclic_orders(int devices, const std::vector<double>& sizes, double limit);

}  // namespace orrery::schedules
