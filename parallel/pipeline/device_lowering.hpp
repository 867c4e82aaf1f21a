// parallel/pipeline/device_lowering.hpp
//
// One pipeline device's actions as tasks. For each action in order: the receives that are due
// (transfers.hpp), the wait for its inputs, its layers' steps, the sends of its result.
//
// Backward runs a recomputed layer's forward again first. A schedule's own `recompute` action runs the whole
// stage's forward again; before it only the stage's input is kept. `evict` and `load` move the activations of
// a whole stage (offload.hpp).
//
// Overlapped units (actions with the same `overlap`: DualPipe's F&B, Megatron's combined 1F1B, Chimera's
// doubled forward) start when the inputs of both are there and hand on the results of both when both have
// ended. Between, their tasks alternate on the compute stream wherever one of them would wait for a
// communication: RankBuilder::overlap. Token slices of one micro-batch do not alternate: the later reads the
// earlier's keys.
//
// Without a flush (PipeDream) the weights are updated after each micro-batch, or after each batch, by whoever
// has completed its gradients, and the next forward goes on.
//
// A framework that does not overlap transfers (Megatron's default) waits for each send before it computes
// on: plan.parallel.overlap_p2p = false.
#pragma once

#include <vector>

#include "parallel/layer_policy.hpp"
#include "parallel/pipeline/transfers.hpp"
#include "parallel/rank_context.hpp"

namespace orrery::parallel {

/// What all devices of a pipeline share while they are lowered.
struct Pipeline {
    const schedules::Schedule& schedule;
    const StageGraph& graph;
    const std::vector<std::vector<int>>& stage_layers;
    const std::vector<LayerPolicy>& policies;
    const Transfers& transfers;
};

/// Appends the whole step of `context.device` to its rank program.
void lower_device(RankContext& context, const Pipeline& pipeline);

}  // namespace orrery::parallel
