// schedules/tessel.hpp
//
// Tessel (Lin et al. 2024, "Tessel: Boosting Distributed Execution of Large DNN Models via Flexible Schedule
// Search"): orders for any placement of stages on devices, also those in which several stages share a device
// or a layer lies on all of them. Two phases, as in the paper:
//
// Repetend. In the steady state every device runs each of its blocks (a stage's forward or backward) once a
// period, on micro-batches of different age. A repetend is a start time for every block of one micro-batch,
// such that micro-batches started one period apart never meet on a device and no device holds more than its
// limit. The shortest possible period is the work of the busiest device; it is tried first, then longer ones.
// For each, a depth-first search places the blocks in the order of their dependencies, each at the earliest
// times its device leaves, and keeps the repetend whose micro-batch is through first.
//
// Completion. Repeating it gives the order of every device; what comes before the first whole period and
// after the last is improved by exchanging neighbours as long as the batch gets shorter within the limit.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// The repetend found, for tests and messages.
struct Repetend {
    double period = 0;
    double shortest_period = 0;  ///< work of the busiest device: no repetend has a shorter one
    /// forward[direction][stage], backward[direction][stage]: start of micro-batch 0's blocks.
    std::vector<std::vector<double>> forward, backward;
};

/// Fills the orders of a schedule that has everything else: placement (one or two directions; with two, half
/// of the micro-batches each way), stage_inputs, stage_work. Times, memory limit (micro-batch activations of
/// one device's share), time limit and progress are the shape's. Throws InputError (key "memory-limit") when
/// not even one micro-batch at a time fits.
Repetend tessel_search(Schedule& schedule, const PipelineShape& shape);

}  // namespace orrery::schedules
