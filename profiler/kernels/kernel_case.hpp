// profiler/kernels/kernel_case.hpp
//
// What a backend executes and the profiler measures: a `Kernel` as the models emit it, and, for kernels that
// the cost model knows only by their traffic, the operation and shape behind the bytes. Backends
// (profiler/kernels/backend.hpp) run the same cases; calibration prices the same kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/kernel.hpp"

namespace orrery::profiler {

enum class Operation : std::uint8_t {
    gemm,
    grouped_gemm,
    attention,
    // memory-bound, elementwise
    add,          ///< residual addition
    gelu,         ///< tanh form
    swiglu,       ///< of two halves
    dropout_add,  ///< dropout of one input, added to another
    rotary,       ///< in place
    cast_down,    ///< fp32 to the precision
    cast_up,      ///< the precision to fp32
    copy,         ///< by a kernel
    // normalization
    layer_norm,
    rms_norm,
    norm_weight_gradient,  ///< sum over rows of gradient times normalised input
    // softmax
    softmax,
    cross_entropy,
    // gather
    embedding,      ///< rows of a table; backward adds into an fp32 table
    moe_permute,    ///< tokens to their experts' order
    moe_unpermute,  ///< each token's two copies, weighted and added
    // optimizer, fill
    adam,
    fill,
    // no kernels of a family: what surrounds them
    device_copy,     ///< the driver's copy within device memory
    copy_to_host,    ///< pinned
    copy_from_host,  ///< pinned
    launch,          ///< an empty kernel, launched from the host
    graph_launch,    ///< a graph of `rows` empty kernels
    usable_memory,   ///< what can be allocated; a number of bytes, no time
};

/// What a row's name and traffic are. Bytes of one element of a row: `elements` of the case's precision,
/// `fp32` of four bytes, `bytes` of one; `row_bytes` for each row besides (indices, statistics).
struct Traffic {
    double elements = 0;
    double fp32 = 0;
    double bytes = 0;
    double row_bytes = 0;
};

struct OperationInfo {
    Operation operation;
    const char* name;
    std::optional<MemoryFamily> family;  ///< of a memory-bound kernel
    Traffic forward;
    std::optional<Traffic> backward;  ///< of its gradient with respect to inputs, where it has one
};

const std::vector<OperationInfo>& operations();
const OperationInfo& info_of(Operation operation);
/// The operation of that name, or nothing.
std::optional<Operation> operation_named(std::string_view name);

struct KernelCase {
    Operation operation = Operation::gemm;
    Kernel kernel;  ///< for memory-bound ones `family` and `bytes` follow from operation and shape
    std::int64_t rows = 0;
    std::int64_t width = 0;  ///< elements of a row of the output (of a table's row, of the logits)

    bool operator==(const KernelCase&) const = default;
};

/// batch products of m x k by k x n, FLOPs filled in.
KernelCase gemm_case(Precision precision, GemmLayout layout, std::int64_t batch, std::int64_t m,
                     std::int64_t n, std::int64_t k, bool accumulate = false);
/// `groups` products of one kernel.
KernelCase grouped_gemm_case(Precision precision, GemmLayout layout, std::int64_t groups, std::int64_t m,
                             std::int64_t n, std::int64_t k);
/// Self-attention of `batch` sequences.
KernelCase attention_case(Precision precision, std::int64_t batch, std::int64_t seq, std::int64_t heads,
                          std::int64_t kv_heads, std::int64_t head_dim, bool causal, bool backward);
/// A memory-bound operation over rows x width; its bytes are Traffic's. Precondition for `backward`: the
/// operation has one.
KernelCase memory_case(Operation operation, Precision precision, std::int64_t rows, std::int64_t width,
                       bool backward = false);
/// A copy, launch or capacity: `rows` bytes, or kernels of a graph.
KernelCase system_case(Operation operation, std::int64_t amount);

/// The case that stands for a kernel of a program: the shape itself for products and attention, for a
/// memory-bound kernel its family's plainest operation over as many bytes (rows of 4096 elements). Nothing
/// for host-only kernels and empty ones.
std::optional<KernelCase> case_of(const Kernel& kernel);

/// Distinguishes all cases, and is the same for equal ones: "gemm bf16 tn 1x4096x2048x4096".
std::string describe(const KernelCase& kernel_case);

/// Bytes of device memory that its operands take.
double footprint(const KernelCase& kernel_case);

/// "tn", "nn", "nt".
std::string_view to_string(GemmLayout layout);

}  // namespace orrery::profiler
