// models/software.hpp
//
// How a training framework executes operators: which kernels it launches for each, what it saves, what its
// host pays. The same model costs differently under Megatron-LM of 2021, Composer's FSDP or a compiled
// torchtitan; the difference is data: models/software/*.yaml, each with its source. Nothing here is a time:
// the calibration knows times.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/kernel.hpp"

namespace orrery::models {

/// What the host does around the kernels, counted in framework operators (see Kernel::host_operations).
struct HostWork {
    double per_kernel_forward = 1;   ///< a launch through dispatcher and autograd recording
    double per_kernel_backward = 1;  ///< a launch by the autograd engine
    double views_per_linear =
        2;                       ///< view, transpose, split: operators without a kernel, counted as operators
    double module_forward = 0;   ///< Python's own work per layer forward
    double module_backward = 0;  ///< and per layer backward
    double checkpoint = 0;   ///< per recomputed unit: saving and restoring RNG state, detaching, re-entering
    double rng_fork = 0;     ///< per dropout under tensor parallelism: RNG tracker fork
    double collective = 3;   ///< issuing one collective
    double p2p = 6;          ///< issuing one batch of pipeline sends and receives
    double micro_batch = 0;  ///< data loading, masks, loss bookkeeping, per micro-batch
    double step = 0;         ///< per optimizer step
};

/// What "selective" recomputation repeats: the core attention (Korthikanti et al. 2022), or the norms,
/// activations and every other matrix product (torchtitan's per-operator policy, which keeps the attention's
/// output).
enum class SelectivePolicy : std::uint8_t { core_attention, alternate_matmuls };

/// How the loss is computed from the logits.
///   vocab_parallel: Megatron's, in fp32, over vocabularies divided by tensor parallelism;
///   torch: log-softmax and its gradient, each one kernel, the gradient's buffer cleared first;
///   fused: one pass over the logits each way.
enum class CrossEntropy : std::uint8_t { vocab_parallel, torch, fused };

/// What fully sharded data parallelism does with the gradients of a unit before it reduces them.
///   none: they lie in one buffer already;
///   concatenate: copied into one (the backward of FSDP's views of a flat parameter);
///   cast: copied into one in the reduction's precision (FSDP2's chunk_cat).
enum class UnitGradients : std::uint8_t { none, concatenate, cast };

struct Software {
    std::string name;
    std::string description;
    std::string source;

    AttentionImplementation attention = AttentionImplementation::unfused;
    bool fused_softmax = true;  ///< scale, mask and softmax in one kernel
    bool fused_bias_gelu = true;
    bool fused_bias_dropout_add = true;
    bool fused_norm = true;  ///< one kernel forward, two backward
    CrossEntropy cross_entropy = CrossEntropy::vocab_parallel;
    bool logits_in_fp32 = true;  ///< torch: cast before the loss, and its gradient back
    /// Cross entropies computed besides, for metrics, without gradients: passes as `torch`'s forward.
    int loss_metrics = 0;
    bool norm_in_fp32 = false;    ///< an unfused norm casts to fp32 and back, one kernel an operation
    bool rotary_in_fp32 = false;  ///< rotary positions as complex products in fp32, with casts
    bool repeats_kv = false;      ///< keys and values are copied to every query head of their group
    SelectivePolicy selective = SelectivePolicy::core_attention;
    bool packed_qkv =
        true;  ///< queries, keys and values share one product, whose gradient is put together by a copy
    bool compiled = false;                ///< elementwise chains fused by a compiler (torch.compile)
    bool transposed_activations = false;  ///< context and logits are copied between [s,b,h] and [b,s,h]
    int vocab_multiple = 1;               ///< the vocabulary is padded to a multiple of this times tp

    /// Weight gradients add into a buffer kept across micro-batches. False where each micro-batch's gradient
    /// is reduced and dropped (FSDP): only the shard accumulates.
    bool accumulates_gradients = true;
    bool fused_weight_gradient_accumulation =
        false;  ///< weight gradients add into fp32 main gradients inside the GEMM
    Precision gradient_accumulation = Precision::fp32;  ///< of the gradient buffer
    Precision gradient_reduction = Precision::fp32;     ///< what the data-parallel collective moves
    /// Device memory traffic of one optimizer step, bytes per parameter that a rank updates.
    double optimizer_bytes_per_parameter = 56;
    int optimizer_kernels = 12;  ///< multi-tensor launches per step
    bool unit_copy_out = false;  ///< FSDP: a gathered buffer is copied into the parameters
    UnitGradients unit_gradients = UnitGradients::none;
    bool gradient_predivide = false;  ///< FSDP: gradients are divided in a pass before they are reduced
    double bucket_bytes = 0;          ///< default gradient bucket; 0: one collective after backward
    bool overlap_grad_reduce = true;
    bool overlap_tp_backward = false;  ///< input-gradient collective runs beside the weight-gradient GEMM
    bool scatter_gather_p2p = false;   ///< tensor-parallel ranks send a share each and gather on arrival
    bool tp_host_sync = false;         ///< the host waits for each tensor-parallel collective
    bool p2p_host_sync = false;        ///< the host waits for each pipeline transfer
    bool optimizer_host_sync = true;   ///< the host reads the gradient norm or overflow flag before the step

    HostWork host;
};

/// The software of that name (models/software/NAME.yaml) or at that path. Throws InputError with the nearest
/// name.
Software load_software(const std::string& name_or_path);

/// Names available, sorted.
std::vector<std::string> software_names();

}  // namespace orrery::models
