// parallel/plan.hpp
//
// A plan: how a model is laid on a cluster and trained there. What `study/experiment` reads from YAML and
// `lower` turns into a program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/kernel.hpp"
#include "parallel/expert/expert_plan.hpp"

namespace orrery::parallel {

/// Who holds what along the data-parallel dimension.
enum class DataSharding : std::uint8_t {
    none,       ///< replicas; bucketed gradient all-reduce (DDP)
    optimizer,  ///< ZeRO-1, Megatron's distributed optimizer: reduce-scatter gradients, all-gather parameters
    gradients,  ///< ZeRO-2 / FSDP SHARD_GRAD_OP: parameters stay gathered from forward to backward
    full,       ///< ZeRO-3 / FSDP FULL_SHARD: parameters gathered per layer, forward and backward
    hybrid,  ///< FSDP HYBRID_SHARD: full sharding inside groups of `sharding_group`, all-reduce across them
};

enum class RecomputePolicy : std::uint8_t { none, selective, full };
enum class RecomputeMethod : std::uint8_t { uniform, block };

/// Where a layer's activations stay between its forward and its backward.
enum class OffloadTarget : std::uint8_t {
    none,     ///< on the device
    host,     ///< copied to host memory and back
    partner,  ///< sent to another pipeline device with memory to spare, and back (BPipe, MPress)
};

/// How attention works on a sequence divided over ranks (parallel/sequence/context_attention.hpp).
enum class ContextScheme : std::uint8_t { ring, all_gather, ulysses };

struct Parallelism {
    int tp = 1;
    int pp = 1;
    int dp = 1;
    int cp = 1;
    ContextScheme cp_scheme = ContextScheme::ring;
    int ep = 1;
    int etp = 0;                     ///< ranks that divide each expert; 0: tp
    int vpp = 1;                     ///< chunks per stage
    bool sequence_parallel = false;  ///< Megatron's, over the tensor-parallel group
    DataSharding sharding = DataSharding::none;
    int sharding_group = 0;           ///< hybrid: ranks per group; 0: one node
    bool overlap_grad_reduce = true;  ///< gradient collectives run beside backward
    bool overlap_param_gather = true;
    bool overlap_p2p =
        false;  ///< pipeline sends run beside compute; false: they block it (Megatron's default)
    double bucket_bytes = 0;  ///< gradient bucket; 0: the software's default
    int prefetch = 1;         ///< FSDP: units gathered ahead

    [[nodiscard]] int expert_tp() const { return etp > 0 ? etp : tp; }
    [[nodiscard]] std::int64_t gpus() const { return std::int64_t{1} * tp * pp * dp * cp; }
};

struct Training {
    std::int64_t global_batch = 1;  ///< sequences per optimizer step
    std::int64_t micro_batch = 1;   ///< sequences
    std::int64_t seq_length = 0;    ///< 0: the model's
    Precision precision = Precision::bf16;
    RecomputePolicy recompute = RecomputePolicy::none;
    /// Gradients are reduced in the compute precision, whatever the software's default (FSDP's reduce_dtype).
    bool reduce_in_compute_precision = false;
    RecomputeMethod recompute_method = RecomputeMethod::uniform;
    int recompute_layers = 1;  ///< uniform: layers per recomputed unit; block: recomputed layers per stage

    /// Micro-batches of one pipeline per step; the batch must divide (checked by study).
    [[nodiscard]] std::int64_t micro_batches(const Parallelism& p) const {
        return global_batch / (micro_batch * p.dp);
    }
};

/// Everything `lower` needs beside model and cluster.
struct Plan {
    Parallelism parallel;
    Training training;
    ExpertPlan experts;
    std::string schedule = "1f1b";
    std::string schedule_variant;
    int slices = 1;                           ///< token slices per sequence
    std::vector<std::int64_t> slice_lengths;  ///< tokens of each slice; empty: as equal as possible
    /// Activations a device may hold, in micro-batch activations of one device's share: for the schedules
    /// that search or limit their warm-up. Empty: the schedule's own.
    std::optional<double> schedule_memory_limit;

    /// Blocks of each virtual stage, in the model's order; empty: as evenly as possible. The embedding lies
    /// with the first stage and the head with the last, whatever the numbers; a stage may hold no block.
    std::vector<int> partition;
    /// Per block, in the model's order, in place of `training.recompute`; empty: that one for all. A block
    /// recomputed in full is a unit of its own.
    std::vector<RecomputePolicy> layer_recompute;
    /// Per block; empty: all stay on their device.
    std::vector<OffloadTarget> layer_offload;
    /// [pipeline device] whose memory `OffloadTarget::partner` uses; empty: device p-1-s of device s.
    std::vector<int> offload_partner;

    /// How operators become kernels, and what the host pays for them: a name in models/software.
    std::string software = "megatron-core";
};

}  // namespace orrery::parallel
