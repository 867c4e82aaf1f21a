// parallel/data/data_parallel.hpp
//
// The contract of a data-parallel scheme: hooks that `lower` calls while it builds one rank. A scheme adds
// collectives on the dp stream, says what a layer's compute must wait for, updates the weights, and knows
// what the weights cost in memory.
//
// Call order per rank: begin; then for each action and node before_forward / after_forward or before_backward
// / after_backward; then finish, once after the last action, or, without a flush, whenever an update is due.
#pragma once

#include <memory>
#include <span>

#include "parallel/rank_context.hpp"

namespace orrery::parallel {

/// Where in the step a layer's work stands.
struct Moment {
    int node = 0;
    int micro_batch = 0;
    int stage = 0;  ///< virtual stage
    int slice = 0;
    bool first_use = false;       ///< first forward of this node in the step
    bool last_backward = false;   ///< no later backward of this node in the step: its gradients are complete
    bool last_of_action = false;  ///< no further node of this action on this device
    bool recompute = false;       ///< forward re-run inside backward
};

class DataParallel {
  public:
    explicit DataParallel(RankContext& context) : context_(context) {}
    virtual ~DataParallel() = default;
    DataParallel(const DataParallel&) = delete;
    DataParallel& operator=(const DataParallel&) = delete;

    /// Weights, gradients and optimizer state that stay allocated for the whole step.
    virtual void begin() = 0;
    /// A task that the node's compute must wait for (a parameter gather), or none.
    virtual sim::TaskId before_forward(const Moment&) { return {}; }
    virtual void after_forward(const Moment&) {}
    virtual sim::TaskId before_backward(const Moment&) { return {}; }
    virtual void after_backward(const Moment&) {}
    /// Remaining gradient synchronisation, the optimizer, the parameter gather.
    virtual void finish() = 0;

  protected:
    /// Gradient norm, overflow check, and the update of `parameters` parameters of this rank, after `after`.
    sim::TaskId optimizer_step(double parameters, std::span<const sim::TaskId> after);
    /// All-reduce of the gradient of the embedding's weights, `shards`-th part of it, among the pipeline
    /// devices that hold a copy of them (the first and the last where they are tied), behind `after`; none
    /// where this device holds no copy or the only one. Without a flush it runs beside the updates, on a
    /// stream of its own: a gradient from another stage is as old as the schedule makes it anyway.
    sim::TaskId tied_embedding_reduce(sim::TaskId after, double shards);
    /// All-reduce over the tensor-parallel group of the gradients that each of its ranks has computed from
    /// its own tokens or heads alone: under sequence parallelism those of norms, positions and other weights
    /// that all ranks hold whole (Korthikanti et al. 2022, section 4.2.2; Megatron-LM's
    /// finalize_model_grads), and always those of the norms of queries and keys. `shards`-th part of them,
    /// behind `after`; none where there is none.
    sim::TaskId partial_gradient_reduce(std::span<const sim::TaskId> after, double shards);
    /// Static memory of `parameters` weights (in as many versions as the schedule keeps) with gradients
    /// divided by `gradient_shards` and states by `state_shards`.
    void hold(double parameters, double parameter_shards, double gradient_shards, double state_shards);

    /// Parameters that the data-parallel group replicates or shards, and experts where a group of their own
    /// does (0 otherwise: they count with the others).
    [[nodiscard]] double dense_parameters() const;
    [[nodiscard]] double expert_parameters() const;

    RankContext& context_;
};

/// Replicas with a bucketed gradient all-reduce, or ZeRO-1's reduce-scatter and all-gather
/// (data/distributed.cpp).
std::unique_ptr<DataParallel> make_replicated(RankContext& context);
/// ZeRO-2, ZeRO-3, FSDP and hybrid sharding (data/fully_sharded.cpp).
std::unique_ptr<DataParallel> make_fully_sharded(RankContext& context);

std::unique_ptr<DataParallel> make_data_parallel(RankContext& context);

}  // namespace orrery::parallel
