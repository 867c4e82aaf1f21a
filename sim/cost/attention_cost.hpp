// sim/cost/attention_cost.hpp
//
// Time of a fused (flash) attention kernel. A thread block owns `rows` query rows of one head and walks the
// keys; its time grows with the keys it visits plus a constant (`overhead`, in keys). Causal masks let it
// skip the blocks above the diagonal, so it visits n/2 on average, plus what the diagonal blocks execute in
// vain
// (`diagonal`). All multiprocessors share the row blocks; the last ones finish unevenly by `tail` of the
// longest, and no head's kernel ends before its longest row block.
//     visited = n                       (full)     n/2 + diagonal    (causal, m = n)
//     blocks  = batch heads ceil(m/rows)
//     time    = fixed + max(blocks/SMs (visited + overhead) + tail n, n + overhead) rows x 4 d / (eff
//     peak/SMs)
// Backward executes 2.5 times the FLOPs of forward (five products for two; Dao 2023, section 4.1). Between
// two fitted head sizes the efficiency is interpolated in log d; head sizes are padded to a multiple of 32 as
// the kernels do.
#pragma once

#include <optional>

#include "sim/cost/calibration.hpp"
#include "sim/cost/gemm_cost.hpp"

namespace orrery::sim {

/// Seconds for `kernel` (kind attention) with exactly this model.
double attention_time(const Kernel& kernel, const AttentionModel& model, const GemmDevice& device);

/// The model for the kernel's implementation, direction and head size, interpolated; and whether it had to
/// stand in for another implementation or head size. Empty when the calibration has no attention at all.
struct ChosenAttention {
    AttentionModel model;
    bool exact = true;
};
std::optional<ChosenAttention> choose_attention(const Kernel& kernel,
                                                const std::vector<AttentionModel>& models);

/// FLOPs as publications count them: 4 m n d a head forward, 2.5 times that backward, halved when causal.
double attention_flops(const Kernel& kernel);

}  // namespace orrery::sim
