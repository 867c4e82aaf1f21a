// schedules/layer_costs.hpp
//
// A model as the searches over partitions see it: a chain of layers with times and bytes, whatever they are.
// study/ prices real layers; the bare schedules use layers that are all alike.
#pragma once

#include <vector>

namespace orrery::schedules {

/// One way to treat a layer's activations between its forward and its backward.
struct ActivationChoice {
    double kept_bytes = 0;  ///< of one micro-batch, on the device
    double extra_time = 0;  ///< what it adds to the layer's backward (s)
    double peer_bytes = 0;  ///< of one micro-batch, moved to a peer's memory and back
    double host_bytes = 0;  ///< of one micro-batch, moved to the host and back
};

struct LayerCost {
    double forward = 0;                     ///< s, one micro-batch
    double backward = 0;                    ///< s, both gradients, everything kept
    double state_bytes = 0;                 ///< parameters, gradients, optimizer states on the device
    std::vector<ActivationChoice> choices;  ///< the first keeps everything; at least one
};

/// What one stage does with its layers [first, last) in the plan a search found.
struct StagePlan {
    int first = 0;
    int last = 0;
    std::vector<int> choice;  ///< per layer: index into its choices
    double forward = 0;       ///< s, one micro-batch
    double backward = 0;      ///< with what is recomputed
    double peak_bytes = 0;    ///< states and the activations of all micro-batches in flight
};

struct PartitionPlan {
    std::vector<StagePlan> stages;
    /// Estimated time of the batch (s), see pipeline_time.
    double time = 0;
};

/// Time of m micro-batches in 1F1B order on stages of unequal length (s): warm-up of stage 0 until its first
/// backward, the steady phase at the pace of the slowest stage, and the ending after its last forward. With
/// W_s = F_s + max(W_{s+1} + B_{s+1} + 2c, (p-s-1) F_s) and E_s = B_s + max(E_{s+1} + F_{s+1} + 2c,
/// (p-s-1) B_s) it is W_0 + E_0 + (m-p) max(F_s + B_s): the three phases of AdaPipe (Sun et al. 2024). Exact
/// for equal stages and c = 0, (m+p-1)(F+B); m must be at least p.
double pipeline_time(const std::vector<StagePlan>& stages, int micro_batches, double communication);

}  // namespace orrery::schedules
