// schedules/mcap.hpp
//
// mCAP (Dreuning et al. 2022, "mCAP: Memory-Centric Partitioning for Large-Scale Pipeline-Parallel DNN
// Training"): the cut of the layers whose largest peak memory of a device is smallest. The paper predicts
// peaks from profiles of single layers and tries cuts; here the peak is states plus the activations of the
// micro-batches in flight, and the cut is found by dynamic programming: first the smallest largest peak, then
// among the cuts that have it the one with the shortest slowest stage.
#pragma once

#include <vector>

#include "schedules/layer_costs.hpp"

namespace orrery::schedules {

/// Everything is kept (the first choice of each layer). Throws InputError, key "stages", for more stages than
/// layers. `in_flight`: micro-batches alive on each stage; its size is the number of stages. O(stages
/// layers^2).
PartitionPlan mcap_search(const std::vector<LayerCost>& layers, const std::vector<int>& in_flight);

}  // namespace orrery::schedules
