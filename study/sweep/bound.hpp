// study/sweep/bound.hpp
//
// How fast a plan could be at best, and how little memory it could need, without simulating all of it: what a
// search for the best plans goes by.
#pragma once

#include "study/experiment.hpp"

namespace orrery::study {

struct PlanBound {
    /// Seconds that the step does not go below. Each pipeline device runs the layers of its stages for every
    /// micro-batch: their kernels, each at its price alone, and the tensor-parallel collectives between the
    /// kernels of a stage, which hold the compute stream up. Where a micro-batch passes the devices in turn
    /// and its whole backward goes back the same way (1F1B and its kin), device d also waits until the first
    /// forward has come through d devices, and its last backward has to go back through as many. Bubbles
    /// beyond that, transfers, contention, data parallelism and the optimizer only add.
    double step_s = 0;
    /// Bytes of parameters, gradients and optimizer state on the mean pipeline device: some device needs
    /// more.
    double static_bytes = 0;
};

/// From a replay of one micro-batch through all layers on one stage. All zero (no bound known) for sliced
/// sequences, branched models, mixtures of experts, whose micro-batches differ, and under jitter, which may
/// shorten a kernel. Throws as `simulate` does.
PlanBound bound_of_plan(const Experiment& experiment);

}  // namespace orrery::study
