// profiler/kernels/cpu/products.hpp
//
// Matrix products and attention on the CPU: Eigen, one thread, fp32. Pointers are to arrays of the sizes that
// the kernel's fields imply; operands do not overlap.
#pragma once

#include "models/kernel.hpp"

namespace orrery::profiler::cpu {

/// c = a b, batch times (c += a b where the kernel accumulates). Column-major as BLAS has it: c is m x n; tn:
/// a is stored k x m and b k x n; nn: a m x k, b k x n; nt: a m x k, b n x k. The matrices of a batch lie one
/// after the other.
void gemm(const Kernel& kernel, const float* a, const float* b, float* c);

/// Self-attention without storing the scores (Dao 2023, FlashAttention-2, algorithm 1). Row-major: q and out
/// [batch, m, heads, k]; keys and values [batch, n, kv_heads, k]; heads / kv_heads query heads share a key
/// head. `log_sum` [batch, heads, m] receives the logarithm of each row's sum of exponentials. Scores are
/// scaled by 1 / sqrt(k); causal: query i sees keys up to i + n - m.
void attention_forward(const Kernel& kernel, const float* q, const float* keys, const float* values,
                       float* out, float* log_sum);

/// Its gradients (algorithm 2 there): dq as q, dkeys and dvalues as keys, overwritten.
void attention_backward(const Kernel& kernel, const float* q, const float* keys, const float* values,
                        const float* out, const float* dout, const float* log_sum, float* dq, float* dkeys,
                        float* dvalues);

}  // namespace orrery::profiler::cpu
