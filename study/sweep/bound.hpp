// study/sweep/bound.hpp
//
// How fast a plan could be at best, without simulating all of it: what pruning compares with the best found.
#pragma once

#include "study/experiment.hpp"

namespace orrery::study {

/// Seconds that no schedule of this plan can go below: the kernels of one micro-batch's forward, backward and
/// recomputation on one tensor-parallel rank, each at its price alone, over all stages, divided evenly over
/// the pipeline and repeated for every micro-batch. Communication, bubbles, imbalance of stages, contention
/// and the optimizer only add to it. Throws as `simulate` does.
double compute_bound_s(const Experiment& experiment);

}  // namespace orrery::study
