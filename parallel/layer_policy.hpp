// parallel/layer_policy.hpp
//
// What happens to each layer's activations between its forward and its backward: kept, computed again, or
// moved away. The plan says it for all layers, by stage, or layer by layer; here it is said of each node.
#pragma once

#include <vector>

#include "models/graph.hpp"
#include "parallel/plan.hpp"

namespace orrery::parallel {

struct LayerPolicy {
    RecomputePolicy recompute = RecomputePolicy::none;
    OffloadTarget offload = OffloadTarget::none;
    /// Recomputed in full: the first node of its unit, whose input is all that the unit keeps. A unit runs
    /// all of its forwards again before its first backward.
    int unit_begin = 0;
};

/// [node of the model's chain]. Only blocks are recomputed or offloaded. `stage_layers` as
/// parallel::partition gives it: uniform units and blocks of recomputed layers count within a stage.
std::vector<LayerPolicy> layer_policies(const models::Model& model, const Plan& plan,
                                        const std::vector<std::vector<int>>& stage_layers);

}  // namespace orrery::parallel
