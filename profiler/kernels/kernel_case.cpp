#include "profiler/kernels/kernel_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/cost/attention_cost.hpp"
#include "sim/cost/calibration.hpp"

namespace orrery::profiler {
namespace {

double count(std::int64_t value) {
    return static_cast<double>(value);
}

double traffic_of(const Traffic& traffic, Precision precision, std::int64_t rows, std::int64_t width) {
    const double element = traffic.elements * bytes_of(precision) + 4 * traffic.fp32 + traffic.bytes;
    return count(rows) * (count(width) * element + traffic.row_bytes);
}

/// What stands for a family when only its bytes are known.
Operation plainest(MemoryFamily family) {
    switch (family) {
        case MemoryFamily::elementwise:
            return Operation::add;
        case MemoryFamily::normalization:
            return Operation::layer_norm;
        case MemoryFamily::softmax:
            return Operation::softmax;
        case MemoryFamily::gather:
            return Operation::embedding;
        case MemoryFamily::optimizer:
            return Operation::adam;
        case MemoryFamily::fill:
            return Operation::fill;
    }
    return Operation::add;
}

double gemm_footprint(const Kernel& k) {
    return count(k.batch) * (bytes_of(k.precision) * (count(k.m) * count(k.k) + count(k.k) * count(k.n)) +
                             bytes_of(k.output) * count(k.m) * count(k.n));
}

double attention_footprint(const Kernel& k) {
    const double tensors =
        k.backward ? 4 * count(k.heads) + 4 * count(k.kv_heads) : 2 * count(k.heads) + 2 * count(k.kv_heads);
    return count(k.batch) * count(k.m) * (tensors * count(k.k) * bytes_of(k.precision) + 4 * count(k.heads));
}

}  // namespace

const std::vector<OperationInfo>& operations() {
    using enum Operation;
    using Family = MemoryFamily;
    // Each tensor once for each kernel that reads or writes it. Eight bytes an index, four a statistic. Adam:
    // parameter, gradient and two moments read, all but the gradient written, fp32.
    static const std::vector<OperationInfo> table{
        {gemm, "gemm", {}, {}, {}},
        {grouped_gemm, "grouped_gemm", {}, {}, {}},
        {attention, "attention", {}, {}, Traffic{}},
        {add, "add", Family::elementwise, {.elements = 3}, {}},
        {gelu, "gelu", Family::elementwise, {.elements = 2}, Traffic{.elements = 3}},
        {swiglu, "swiglu", Family::elementwise, {.elements = 3}, Traffic{.elements = 5}},
        {dropout_add,
         "dropout_add",
         Family::elementwise,
         {.elements = 3, .bytes = 1},
         Traffic{.elements = 2, .bytes = 1}},
        {rotary,
         "rotary",
         Family::elementwise,
         {.elements = 2, .row_bytes = 512},
         Traffic{.elements = 2, .row_bytes = 512}},
        {cast_down, "cast_down", Family::elementwise, {.elements = 1, .fp32 = 1}, {}},
        {cast_up, "cast_up", Family::elementwise, {.elements = 1, .fp32 = 1}, {}},
        {copy, "copy", Family::elementwise, {.elements = 2}, {}},
        {layer_norm,
         "layer_norm",
         Family::normalization,
         {.elements = 2, .row_bytes = 8},
         Traffic{.elements = 3, .row_bytes = 8}},
        {rms_norm,
         "rms_norm",
         Family::normalization,
         {.elements = 2, .row_bytes = 4},
         Traffic{.elements = 3, .row_bytes = 4}},
        {norm_weight_gradient,
         "norm_weight_gradient",
         Family::normalization,
         {.elements = 2, .row_bytes = 8},
         {}},
        {softmax, "softmax", Family::softmax, {.elements = 2}, Traffic{.elements = 3}},
        {cross_entropy,
         "cross_entropy",
         Family::softmax,
         {.elements = 1, .row_bytes = 16},
         Traffic{.elements = 2, .row_bytes = 12}},
        {embedding,
         "embedding",
         Family::gather,
         {.elements = 2, .row_bytes = 8},
         Traffic{.elements = 1, .fp32 = 2, .row_bytes = 8}},
        {moe_permute, "moe_permute", Family::gather, {.elements = 2, .row_bytes = 8}, {}},
        {moe_unpermute, "moe_unpermute", Family::gather, {.elements = 3, .row_bytes = 24}, {}},
        {adam, "adam", Family::optimizer, {.fp32 = 7}, {}},
        {fill, "fill", Family::fill, {.elements = 1}, {}},
        {device_copy, "device_copy", {}, {.row_bytes = 2}, {}},
        {copy_to_host, "copy_to_host", {}, {.row_bytes = 1}, {}},
        {copy_from_host, "copy_from_host", {}, {.row_bytes = 1}, {}},
        {launch, "launch", {}, {}, {}},
        {graph_launch, "graph_launch", {}, {}, {}},
        {usable_memory, "usable_memory", {}, {}, {}},
    };
    return table;
}

const OperationInfo& info_of(Operation operation) {
    return operations()[static_cast<std::size_t>(operation)];
}

std::optional<Operation> operation_named(std::string_view name) {
    for (const OperationInfo& info : operations()) {
        if (info.name == name) return info.operation;
    }
    return std::nullopt;
}

KernelCase gemm_case(Precision precision, GemmLayout layout, std::int64_t batch, std::int64_t m,
                     std::int64_t n, std::int64_t k, bool accumulate) {
    KernelCase out{.operation = Operation::gemm};
    out.kernel.kind = KernelKind::gemm;
    out.kernel.precision = precision;
    out.kernel.layout = layout;
    out.kernel.batch = batch;
    out.kernel.m = m;
    out.kernel.n = n;
    out.kernel.k = k;
    out.kernel.accumulate = accumulate;
    const bool wide = accumulate || bytes_of(precision) == 4;
    out.kernel.output = wide ? (precision == Precision::tf32 ? Precision::tf32 : Precision::fp32)
                             : (precision == Precision::fp8 ? Precision::bf16 : precision);
    out.kernel.flops = 2 * count(batch) * count(m) * count(n) * count(k);
    return out;
}

KernelCase grouped_gemm_case(Precision precision, GemmLayout layout, std::int64_t groups, std::int64_t m,
                             std::int64_t n, std::int64_t k) {
    KernelCase out = gemm_case(precision, layout, groups, m, n, k);
    out.operation = Operation::grouped_gemm;
    out.kernel.kind = KernelKind::grouped_gemm;
    return out;
}

KernelCase attention_case(Precision precision, std::int64_t batch, std::int64_t seq, std::int64_t heads,
                          std::int64_t kv_heads, std::int64_t head_dim, bool causal, bool backward) {
    KernelCase out{.operation = Operation::attention};
    out.kernel.kind = KernelKind::attention;
    out.kernel.precision = precision;
    out.kernel.backward = backward;
    out.kernel.batch = batch;
    out.kernel.m = seq;
    out.kernel.n = seq;
    out.kernel.k = head_dim;
    out.kernel.heads = heads;
    out.kernel.kv_heads = kv_heads;
    out.kernel.causal = causal;
    out.kernel.flops = sim::attention_flops(out.kernel);
    return out;
}

KernelCase memory_case(Operation operation, Precision precision, std::int64_t rows, std::int64_t width,
                       bool backward) {
    const OperationInfo& info = info_of(operation);
    KernelCase out{.operation = operation, .rows = rows, .width = width};
    out.kernel.kind = KernelKind::memory_bound;
    out.kernel.precision = precision;
    out.kernel.backward = backward;
    out.kernel.family = info.family.value_or(MemoryFamily::elementwise);
    out.kernel.bytes = traffic_of(backward ? info.backward.value() : info.forward, precision, rows, width);
    return out;
}

KernelCase system_case(Operation operation, std::int64_t amount) {
    KernelCase out{.operation = operation, .rows = amount};
    out.kernel.kind = KernelKind::host_only;
    out.kernel.bytes = count(amount) * info_of(operation).forward.row_bytes;
    return out;
}

std::optional<KernelCase> case_of(const Kernel& kernel) {
    if (kernel.kind == KernelKind::host_only) return std::nullopt;
    if (kernel.kind != KernelKind::memory_bound) {
        if (kernel.m <= 0 || kernel.n <= 0 || kernel.k <= 0) return std::nullopt;
        KernelCase out;
        out.operation = kernel.kind == KernelKind::gemm        ? Operation::gemm
                        : kernel.kind == KernelKind::attention ? Operation::attention
                                                               : Operation::grouped_gemm;
        out.kernel = kernel;
        out.kernel.host_operations = 1;
        return out;
    }
    if (kernel.bytes <= 0) return std::nullopt;
    constexpr std::int64_t kWidth = 4096;
    const Operation operation = plainest(kernel.family);
    const double row = traffic_of(info_of(operation).forward, kernel.precision, 1, kWidth);
    if (kernel.bytes < row) {
        const double element = traffic_of(info_of(operation).forward, kernel.precision, 1, 1);
        return memory_case(operation, kernel.precision, 1,
                           std::clamp<std::int64_t>(std::llround(kernel.bytes / element), 1, kWidth));
    }
    return memory_case(operation, kernel.precision, std::llround(kernel.bytes / row), kWidth);
}

std::string describe(const KernelCase& c) {
    const Kernel& k = c.kernel;
    const std::string head = fmt::format("{}{} {}", info_of(c.operation).name, k.backward ? " backward" : "",
                                         orrery::to_string(k.precision));
    switch (c.operation) {
        case Operation::gemm:
        case Operation::grouped_gemm:
            return fmt::format("{} {} {}x{}x{}x{}{} to {}", head, to_string(k.layout), k.batch, k.m, k.n, k.k,
                               k.accumulate ? " accumulating" : "", orrery::to_string(k.output));
        case Operation::attention:
            return fmt::format("{} {} x {} by {}, {} heads ({} kv) of {}{}", head, k.batch, k.m, k.n, k.heads,
                               k.kv_heads, k.k, k.causal ? " causal" : "");
        default:
            break;
    }
    if (!info_of(c.operation).family) return fmt::format("{} {}", info_of(c.operation).name, c.rows);
    return fmt::format("{} {}x{}", head, c.rows, c.width);
}

double footprint(const KernelCase& c) {
    switch (c.operation) {
        case Operation::gemm:
        case Operation::grouped_gemm:
            return gemm_footprint(c.kernel);
        case Operation::attention:
            return attention_footprint(c.kernel);
        case Operation::embedding:
            // The table besides: as many rows as are gathered.
            return c.kernel.bytes + count(c.rows) * count(c.width) * 4;
        default:
            return c.kernel.bytes;
    }
}

std::string_view to_string(GemmLayout layout) {
    switch (layout) {
        case GemmLayout::tn:
            return "tn";
        case GemmLayout::nn:
            return "nn";
        case GemmLayout::nt:
            return "nt";
    }
    return "tn";
}

}  // namespace orrery::profiler
