// parallel/pipeline/batch_loss.hpp
//
// A loss that compares all samples of the batch (models::contrastive_loss), between the last forward and the
// first backward of the stage that holds it: DistMM's batch synchronisation (Huang et al. 2024). The
// embeddings of all micro-batches and of all data-parallel ranks are gathered, each rank computes its rows
// and both gradients, and the gradients of the gathered embeddings are reduce-scattered back to those who
// made them. Then the micro-batches' backwards follow. Tensor-parallel ranks each compute the whole of it.
#pragma once

#include <span>

#include "parallel/rank_context.hpp"

namespace orrery::parallel {

/// Appends the loss of the node once the tasks `after` have ended; the first backward waits for the task that
/// it returns.
sim::TaskId append_batch_loss(RankContext& context, int node, std::span<const sim::TaskId> after);

}  // namespace orrery::parallel
