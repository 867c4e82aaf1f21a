// models/emitter.hpp
//
// What the emission of kernels shares: the list they are collected in, and a rank's share of an operator.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "models/emit.hpp"

namespace orrery::models {

/// Collects kernels with the launch cost of the direction they belong to.
class Emitter {
  public:
    Emitter(const LocalShape& shape, const Software& software, bool backward, std::vector<Kernel>& out)
        : shape_(shape), software_(software), backward_(backward), out_(out) {}

    void memory(MemoryFamily family, double bytes, double launches = 1) {
        Kernel k{.kind = KernelKind::memory_bound, .precision = shape_.precision, .backward = backward_};
        k.family = family;
        k.bytes = bytes;
        k.host_operations = launches * per_kernel();
        out_.push_back(k);
    }

    /// The addition of a weight gradient into its buffer; nothing where there is no buffer.
    void accumulate(double bytes, double launches) {
        if (bytes > 0) memory(MemoryFamily::elementwise, bytes, launches);
    }

    void gemm(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t k, GemmLayout layout,
              Precision precision, bool accumulate = false) {
        Kernel kernel{.kind = KernelKind::gemm, .precision = precision, .backward = backward_};
        kernel.batch = batch;
        kernel.m = m;
        kernel.n = n;
        kernel.k = k;
        kernel.layout = layout;
        kernel.accumulate = accumulate;
        kernel.output = accumulate ? software_.gradient_accumulation : shape_.precision;
        kernel.flops = 2.0 * static_cast<double>(batch) * static_cast<double>(m) * static_cast<double>(n) *
                       static_cast<double>(k);
        kernel.host_operations = per_kernel();
        out_.push_back(kernel);
    }

    /// `groups` products of one kind, `rows` token copies in all; m, n, k as the calibration's samples have
    /// them: rows of a group, outputs and inputs of the forward, whichever of the three products it is.
    void grouped_gemm(std::int64_t groups, double rows, std::int64_t out, std::int64_t in, GemmLayout layout,
                      bool accumulate = false) {
        if (rows <= 0) return;
        Kernel kernel{.kind = KernelKind::grouped_gemm, .precision = shape_.precision, .backward = backward_};
        kernel.batch = groups;
        // In whole vectors of 8 rows: tokens are no contiguous dimension, whatever their number the product
        // is aligned.
        kernel.m = static_cast<std::int64_t>(std::ceil(rows / (8 * static_cast<double>(groups)))) * 8;
        kernel.n = out;
        kernel.k = in;
        kernel.layout = layout;
        kernel.accumulate = accumulate;
        kernel.output = accumulate ? software_.gradient_accumulation : shape_.precision;
        kernel.flops = 2.0 * rows * static_cast<double>(out) * static_cast<double>(in);
        kernel.host_operations = per_kernel();
        out_.push_back(kernel);
    }

    void host(double operations) {
        if (operations <= 0) return;
        Kernel k{.kind = KernelKind::host_only, .precision = shape_.precision, .backward = backward_};
        k.host_operations = operations;
        out_.push_back(k);
    }

    void push(Kernel kernel) {
        kernel.backward = backward_;
        kernel.host_operations = per_kernel();
        out_.push_back(kernel);
    }

    [[nodiscard]] double per_kernel() const {
        return backward_ ? software_.host.per_kernel_backward : software_.host.per_kernel_forward;
    }

  private:
    const LocalShape& shape_;
    const Software& software_;
    bool backward_;
    std::vector<Kernel>& out_;
};

inline std::int64_t divided(std::int64_t width, int tp) {
    return std::max<std::int64_t>(1, width / tp);
}

/// Weight matrix of a linear layer on one rank, in x out.
struct LinearShare {
    std::int64_t in;
    std::int64_t out;
};

inline LinearShare share_of(const Operator& op, const LocalShape& shape, const Software& software) {
    switch (op.split) {
        case Split::column:
            return {op.in_features, divided(op.out_features, shape.tp)};
        case Split::row:
            return {divided(op.in_features, shape.tp), op.out_features};
        case Split::vocabulary:
            return {op.in_features, padded_vocabulary(op.out_features, shape.tp, software) / shape.tp};
        default:
            return {op.in_features, op.out_features};
    }
}

/// Output projections stay in 16 bits when the blocks run in fp8 (Transformer Engine, torchtitan).
inline Precision gemm_precision(const Operator& op, const LocalShape& shape) {
    return shape.precision == Precision::fp8 && op.split == Split::vocabulary ? Precision::bf16
                                                                              : shape.precision;
}

/// Tokens a replicated operator (norm, dropout, residual) handles on this rank.
inline double tokens_of(const Operator& op, const LocalShape& shape) {
    return op.split == Split::replicated ? shape.divided_tokens() : shape.tokens();
}

struct AttentionShare {
    std::int64_t batch_heads;
    std::int64_t heads;
    std::int64_t kv_heads;
    double score_elements;
};

inline AttentionShare share_of_attention(const Operator& op, const LocalShape& shape) {
    const std::int64_t heads = divided(op.heads, shape.tp);
    const std::int64_t kv = std::max<std::int64_t>(1, op.kv_heads / shape.tp);
    return {shape.batch * heads, heads, kv,
            static_cast<double>(shape.batch * heads) * static_cast<double>(shape.seq) *
                static_cast<double>(shape.keys)};
}

/// Bytes of the keys and values of so many tokens of each sequence.
inline double keys_and_values(const Operator& op, const LocalShape& shape, std::int64_t tokens) {
    const AttentionShare a = share_of_attention(op, shape);
    return shape.element() *
           static_cast<double>(shape.batch * tokens * a.kv_heads * (op.head_dim + op.value_dim));
}

/// Fp8 operands are quantised, and stored transposed as well, before a product (Transformer Engine's
/// cast-transpose).
inline void quantise(double elements, const LocalShape& shape, Emitter& emit) {
    if (shape.precision == Precision::fp8) emit.memory(MemoryFamily::elementwise, 4.0 * elements);
}

inline bool gated(const Operator& op) {
    return is_gated(op.activation);
}

/// The shape as the operator sees it: a decoder's tokens, another sequence's keys.
LocalShape shape_for(const Operator& op, const LocalShape& shape);

// models/emit_attention.cpp
void attention_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit);
void attention_backward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit);
double attention_saved_bytes(const Operator& op, const LocalShape& shape, const Software& software,
                             bool checkpointed);

// models/emit_experts.cpp
void experts_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit);
void experts_backward_input(const Operator& op, const LocalShape& shape, const Software& software,
                            Emitter& emit);
void experts_backward_weight(const Operator& op, const LocalShape& shape, const Software& software,
                             Emitter& emit);
double experts_saved_bytes(const Operator& op, const LocalShape& shape);

// models/emit_towers.cpp
void towers_forward(const Operator& op, const LocalShape& shape, Emitter& emit);
void towers_backward_input(const Operator& op, const LocalShape& shape, Emitter& emit);

}  // namespace orrery::models
