// models/kernel.hpp
//
// A kernel: one unit of device work, without a time. Models emit kernels, the cost model prices them, the
// profiler measures them. Everything a price may depend on is a field here.
#pragma once

#include <cstdint>
#include <string_view>

namespace orrery {

enum class Precision : std::uint8_t { fp32, tf32, fp16, bf16, fp8 };

/// Bytes of one element.
int bytes_of(Precision precision);

/// "bf16", ...
std::string_view to_string(Precision precision);

enum class KernelKind : std::uint8_t {
    gemm,          ///< batch x (m,n,k) matrix products
    grouped_gemm,  ///< `batch` groups of (m,n,k), one kernel (MoE experts)
    attention,     ///< fused attention (flash)
    memory_bound,  ///< anything that streams `bytes` through device memory
    host_only,     ///< host work that launches nothing on the device
};

/// How the operands of a GEMM lie: forward TN, input gradient NN, weight gradient NT (column-major BLAS
/// names).
enum class GemmLayout : std::uint8_t { tn, nn, nt };

enum class AttentionImplementation : std::uint8_t { unfused, flash1, flash2, flash3, cudnn, triton };

/// Families of memory-bound kernels whose achieved bandwidth differs.
enum class MemoryFamily : std::uint8_t {
    elementwise,    ///< add, GELU, dropout, cast, copy: each byte once
    normalization,  ///< layer norm, RMS norm
    softmax,        ///< scale-mask-softmax, cross entropy
    gather,         ///< embedding gather and scatter-add
    optimizer,      ///< Adam over many tensors
    fill,           ///< memset, zeroing of gradients
};

struct Kernel {
    KernelKind kind = KernelKind::memory_bound;
    Precision precision = Precision::bf16;
    bool backward = false;

    // gemm, grouped_gemm: batch products of m x k by k x n. attention: see below.
    std::int64_t batch = 1;
    std::int64_t m = 0;
    std::int64_t n = 0;
    std::int64_t k = 0;
    GemmLayout layout = GemmLayout::tn;
    bool accumulate = false;  ///< adds into its output (weight gradients), reading it
    Precision output = Precision::bf16;

    // attention: batch sequences of m queries by n keys, `heads` query heads, kv_heads, head size k.
    AttentionImplementation attention = AttentionImplementation::flash2;
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    bool causal = false;

    // memory_bound
    MemoryFamily family = MemoryFamily::elementwise;
    double bytes = 0;  ///< device memory traffic, read plus written

    /// Arithmetic really executed by the device (causal attention halved where the implementation skips
    /// blocks).
    double flops = 0;
    /// Host operations needed to launch it, in units of one framework operator (calibration: seconds each).
    double host_operations = 1;

    bool operator==(const Kernel&) const = default;
};

}  // namespace orrery
