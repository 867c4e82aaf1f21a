#include "models/emit.hpp"

#include <algorithm>

namespace orrery::models {
namespace {

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

std::int64_t divided(std::int64_t width, int tp) {
    return std::max<std::int64_t>(1, width / tp);
}

/// Weight matrix of a linear layer on one rank, in x out.
struct LinearShare {
    std::int64_t in;
    std::int64_t out;
};

LinearShare share_of(const Operator& op, const LocalShape& shape, const Software& software) {
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
Precision gemm_precision(const Operator& op, const LocalShape& shape) {
    return shape.precision == Precision::fp8 && op.split == Split::vocabulary ? Precision::bf16
                                                                              : shape.precision;
}

/// Tokens a replicated operator (norm, dropout, residual) handles on this rank.
double tokens_of(const Operator& op, const LocalShape& shape) {
    return op.split == Split::replicated ? shape.divided_tokens() : shape.tokens();
}

struct AttentionShare {
    std::int64_t batch_heads;
    std::int64_t heads;
    std::int64_t kv_heads;
    double score_elements;
};

AttentionShare share_of_attention(const Operator& op, const LocalShape& shape) {
    const std::int64_t heads = divided(op.heads, shape.tp);
    const std::int64_t kv = std::max<std::int64_t>(1, op.kv_heads / shape.tp);
    return {shape.batch * heads, heads, kv,
            static_cast<double>(shape.batch * heads) * static_cast<double>(shape.seq) *
                static_cast<double>(shape.keys)};
}

Kernel fused_attention(const Operator& op, const LocalShape& shape, const Software& software, bool backward) {
    const AttentionShare a = share_of_attention(op, shape);
    Kernel k{.kind = KernelKind::attention,
             .precision = shape.precision == Precision::fp8 ? Precision::bf16 : shape.precision};
    k.attention = software.attention;
    k.batch = shape.batch;
    k.heads = a.heads;
    k.kv_heads = a.kv_heads;
    k.m = shape.seq;
    k.n = shape.keys;
    k.k = op.head_dim;
    k.causal = true;
    // Queries are the last `seq` of `keys` tokens: each sees keys - seq/2 of them on average.
    const double seen = static_cast<double>(shape.keys) - static_cast<double>(shape.seq) / 2;
    const double forward = 4.0 * static_cast<double>(a.batch_heads) * static_cast<double>(shape.seq) * seen *
                           static_cast<double>(op.head_dim);
    k.flops = backward ? 2.5 * forward : forward;
    return k;
}

void attention_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    if (software.attention != AttentionImplementation::unfused) {
        emit.push(fused_attention(op, shape, software, false));
        return;
    }
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    emit.gemm(a.batch_heads, shape.keys, shape.seq, op.head_dim, GemmLayout::tn, shape.precision);
    if (software.fused_softmax) {
        // Megatron's upper-triangular kernel reads the unmasked half and writes the whole, zeros included.
        emit.memory(MemoryFamily::softmax, 1.5 * e * a.score_elements);
    } else {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * a.score_elements);  // scale
        emit.memory(MemoryFamily::elementwise, 2.0 * e * a.score_elements);  // mask
        emit.memory(MemoryFamily::softmax, 2.0 * e * a.score_elements);
    }
    if (op.dropout > 0) {
        emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * a.score_elements);
        emit.host(software.host.rng_fork);
    }
    emit.gemm(a.batch_heads, op.head_dim, shape.seq, shape.keys, GemmLayout::nn, shape.precision);
    if (software.transposed_activations) {
        emit.memory(MemoryFamily::elementwise,
                    2.0 * e * shape.tokens() * static_cast<double>(a.heads * op.head_dim));
    }
}

void attention_backward(const Operator& op, const LocalShape& shape, const Software& software,
                        Emitter& emit) {
    if (software.attention != AttentionImplementation::unfused) {
        emit.push(fused_attention(op, shape, software, true));
        return;
    }
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    const double context = shape.tokens() * static_cast<double>(a.heads * op.head_dim);
    if (software.transposed_activations) emit.memory(MemoryFamily::elementwise, 2.0 * e * context);
    emit.gemm(a.batch_heads, shape.keys, shape.seq, op.head_dim, GemmLayout::tn,
              shape.precision);  // dP = dO V^T
    emit.gemm(a.batch_heads, op.head_dim, shape.keys, shape.seq, GemmLayout::nt,
              shape.precision);  // dV = P^T dO
    if (op.dropout > 0) emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * a.score_elements);
    emit.memory(MemoryFamily::softmax, (software.fused_softmax ? 2.0 : 3.0) * e * a.score_elements);
    if (!software.fused_softmax) {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * a.score_elements);  // mask
        emit.memory(MemoryFamily::elementwise, 2.0 * e * a.score_elements);  // scale
    }
    emit.gemm(a.batch_heads, op.head_dim, shape.seq, shape.keys, GemmLayout::nn, shape.precision);  // dQ
    emit.gemm(a.batch_heads, op.head_dim, shape.keys, shape.seq, GemmLayout::nt, shape.precision);  // dK
    emit.memory(MemoryFamily::elementwise,
                2.0 * e * 3 * context);  // gradients of q, k, v gathered into one tensor
}

/// Fp8 operands are quantised, and stored transposed as well, before a product (Transformer Engine's
/// cast-transpose).
void quantise(double elements, const LocalShape& shape, Emitter& emit) {
    if (shape.precision == Precision::fp8) emit.memory(MemoryFamily::elementwise, 4.0 * elements);
}

void linear_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    const LinearShare w = share_of(op, shape, software);
    const auto tokens = static_cast<std::int64_t>(shape.tokens());
    if (op.split != Split::vocabulary) {
        quantise(shape.tokens() * static_cast<double>(w.in), shape, emit);
        quantise(static_cast<double>(w.in) * static_cast<double>(w.out), shape, emit);
    }
    emit.gemm(1, w.out, tokens, w.in, GemmLayout::tn, gemm_precision(op, shape));
    emit.host(software.host.views_per_linear);
}

void cross_entropy_forward(const LocalShape& shape, const Software& software, double logits, Emitter& emit) {
    const int e = shape.element();
    if (software.fused_cross_entropy) {
        emit.memory(MemoryFamily::softmax, e * logits);
        return;
    }
    emit.memory(MemoryFamily::elementwise, (e + 4.0) * logits);   // to fp32
    emit.memory(MemoryFamily::softmax, 4.0 * logits);             // maximum
    emit.memory(MemoryFamily::elementwise, 8.0 * logits);         // subtract it
    emit.memory(MemoryFamily::elementwise, 8.0 * logits);         // exponential
    emit.memory(MemoryFamily::softmax, 4.0 * logits);             // sum
    emit.memory(MemoryFamily::elementwise, 8.0 * logits);         // divide: kept for backward
    emit.memory(MemoryFamily::gather, 16.0 * shape.tokens(), 4);  // the targets' logits
}

void cross_entropy_backward(const LocalShape& shape, const Software& software, double logits, Emitter& emit) {
    const int e = shape.element();
    if (software.fused_cross_entropy) {
        emit.memory(MemoryFamily::softmax, 2.0 * e * logits);
        return;
    }
    emit.memory(MemoryFamily::elementwise, 8.0 * logits);        // times the incoming gradient
    emit.memory(MemoryFamily::elementwise, (4.0 + e) * logits);  // to 16 bits
}

double local_logits(const Operator& op, const LocalShape& shape, const Software& software) {
    return shape.tokens() * static_cast<double>(padded_vocabulary(op.in_features, shape.tp, software)) /
           shape.tp;
}

bool gated(const Operator& op) {
    return op.activation == ActivationKind::swiglu;
}

}  // namespace

std::int64_t padded_vocabulary(std::int64_t vocab, int tp, const Software& software) {
    const std::int64_t multiple = std::int64_t{1} * software.vocab_multiple * tp;
    return (vocab + multiple - 1) / multiple * multiple;
}

double local_parameters(const Operator& op, int tp, const Software& software) {
    const auto in = static_cast<double>(op.in_features);
    const auto out = static_cast<double>(op.out_features);
    switch (op.kind) {
        case OperatorKind::token_embedding:
            return static_cast<double>(padded_vocabulary(op.in_features, tp, software)) / tp * out;
        case OperatorKind::linear:
            if (op.split == Split::vocabulary) {
                return static_cast<double>(padded_vocabulary(op.out_features, tp, software)) / tp * in;
            }
            if (op.split == Split::column) return (in * out + (op.bias ? out : 0)) / tp;
            if (op.split == Split::row) return in * out / tp + (op.bias ? out : 0);
            return op.parameters();
        default:
            return op.parameters();
    }
}

void emit_forward(const Operator& op, const LocalShape& shape, const Software& software,
                  std::vector<Kernel>& out) {
    Emitter emit(shape, software, false, out);
    const int e = shape.element();
    const double width = static_cast<double>(op.out_features);
    const double tokens = tokens_of(op, shape);
    switch (op.kind) {
        case OperatorKind::token_embedding:
            emit.memory(MemoryFamily::gather, 2.0 * e * tokens * width);
            break;
        case OperatorKind::position_embedding:
            emit.memory(MemoryFamily::elementwise, 3.0 * e * tokens * width, 2);
            break;
        case OperatorKind::dropout:
            emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * tokens * width);
            break;
        case OperatorKind::norm:
            emit.memory(MemoryFamily::normalization, 2.0 * e * tokens * width);
            if (!software.fused_norm) emit.memory(MemoryFamily::elementwise, 4.0 * e * tokens * width, 3);
            break;
        case OperatorKind::linear:
            linear_forward(op, shape, software, emit);
            break;
        case OperatorKind::rotary: {
            const double rotated =
                tokens * static_cast<double>((op.heads + op.kv_heads) * op.head_dim) / shape.tp;
            if (software.compiled) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * rotated);
            } else {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * rotated, 2);
            }
            break;
        }
        case OperatorKind::core_attention:
            attention_forward(op, shape, software, emit);
            break;
        case OperatorKind::activation: {
            const double outputs = shape.tokens() * static_cast<double>(op.out_features) / shape.tp;
            emit.memory(MemoryFamily::elementwise, (gated(op) ? 3.0 : 2.0) * e * outputs);
            if (!software.fused_bias_gelu && op.bias)
                emit.memory(MemoryFamily::elementwise, 2.0 * e * outputs);
            if (gated(op) && !software.fused_bias_gelu)
                emit.memory(MemoryFamily::elementwise, 2.0 * e * outputs);
            break;
        }
        case OperatorKind::dropout_add:
            if (op.dropout > 0 && software.fused_bias_dropout_add) {
                emit.memory(MemoryFamily::elementwise, (3.0 * e + 1) * tokens * width);
            } else if (op.dropout > 0) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * tokens * width);
                emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * tokens * width);
                emit.memory(MemoryFamily::elementwise, 3.0 * e * tokens * width);
            } else {
                emit.memory(MemoryFamily::elementwise, (software.compiled ? 2.0 : 3.0) * e * tokens * width,
                            software.compiled ? 0 : 1);
            }
            break;
        case OperatorKind::cross_entropy:
            if (software.transposed_activations) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * local_logits(op, shape, software));
            }
            cross_entropy_forward(shape, software, local_logits(op, shape, software), emit);
            break;
    }
}

void emit_backward_input(const Operator& op, const LocalShape& shape, const Software& software,
                         std::vector<Kernel>& out) {
    Emitter emit(shape, software, true, out);
    const int e = shape.element();
    const double width = static_cast<double>(op.out_features);
    const double tokens = tokens_of(op, shape);
    switch (op.kind) {
        case OperatorKind::token_embedding:
        case OperatorKind::position_embedding:
            break;
        case OperatorKind::dropout:
            emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * tokens * width);
            break;
        case OperatorKind::norm:
            emit.memory(MemoryFamily::normalization, 3.0 * e * tokens * width);
            if (!software.fused_norm) emit.memory(MemoryFamily::elementwise, 6.0 * e * tokens * width, 4);
            break;
        case OperatorKind::linear: {
            const LinearShare w = share_of(op, shape, software);
            if (op.split != Split::vocabulary)
                quantise(shape.tokens() * static_cast<double>(w.out), shape, emit);
            emit.gemm(1, w.in, static_cast<std::int64_t>(shape.tokens()), w.out, GemmLayout::nn,
                      gemm_precision(op, shape));
            emit.host(software.host.views_per_linear);
            break;
        }
        case OperatorKind::rotary: {
            const double rotated =
                tokens * static_cast<double>((op.heads + op.kv_heads) * op.head_dim) / shape.tp;
            emit.memory(MemoryFamily::elementwise, 2.0 * e * rotated, software.compiled ? 1 : 2);
            break;
        }
        case OperatorKind::core_attention:
            attention_backward(op, shape, software, emit);
            break;
        case OperatorKind::activation: {
            const double outputs = shape.tokens() * static_cast<double>(op.out_features) / shape.tp;
            emit.memory(MemoryFamily::elementwise, (gated(op) ? 5.0 : 3.0) * e * outputs);
            if (gated(op) && !software.fused_bias_gelu)
                emit.memory(MemoryFamily::elementwise, 3.0 * e * outputs);
            break;
        }
        case OperatorKind::dropout_add:
            if (op.dropout > 0) emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * tokens * width);
            // The residual's gradient arrives from two branches and is added.
            emit.memory(MemoryFamily::elementwise, (software.compiled ? 2.0 : 3.0) * e * tokens * width,
                        software.compiled ? 0 : 1);
            break;
        case OperatorKind::cross_entropy:
            cross_entropy_backward(shape, software, local_logits(op, shape, software), emit);
            if (software.transposed_activations) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * local_logits(op, shape, software));
            }
            break;
    }
}

void emit_backward_weight(const Operator& op, const LocalShape& shape, const Software& software,
                          std::vector<Kernel>& out) {
    Emitter emit(shape, software, true, out);
    const int e = shape.element();
    const double tokens = tokens_of(op, shape);
    const double parameters = local_parameters(op, shape.tp, software);
    const int g = bytes_of(software.gradient_accumulation);
    const double accumulate = software.accumulates_gradients
                                  ? (e + 2.0 * g) * parameters
                                  : 0;  // read the new gradient, read and write the buffer
    switch (op.kind) {
        case OperatorKind::token_embedding:
            emit.memory(MemoryFamily::fill, e * parameters);
            emit.memory(MemoryFamily::gather, 4.0 * e * shape.tokens() * static_cast<double>(op.out_features),
                        3);
            emit.accumulate(accumulate, 1);
            break;
        case OperatorKind::position_embedding:
            emit.memory(MemoryFamily::elementwise, e * tokens * static_cast<double>(op.out_features), 2);
            emit.accumulate(accumulate, 1);
            break;
        case OperatorKind::norm:
            emit.memory(MemoryFamily::normalization, 2.0 * e * tokens * static_cast<double>(op.out_features));
            emit.accumulate(accumulate, op.bias ? 2 : 1);
            break;
        case OperatorKind::linear: {
            const LinearShare w = share_of(op, shape, software);
            const bool fused = software.fused_weight_gradient_accumulation;
            emit.gemm(1, w.in, w.out, static_cast<std::int64_t>(shape.tokens()), GemmLayout::nt,
                      gemm_precision(op, shape), fused);
            if (op.bias)
                emit.memory(MemoryFamily::elementwise, e * shape.tokens() * static_cast<double>(w.out));
            if (!fused) emit.accumulate(accumulate, op.bias ? 2 : 1);
            break;
        }
        default:
            break;
    }
}

double saved_activation_bytes(const Operator& op, const LocalShape& shape, const Software& software,
                              bool checkpointed_attention) {
    const int e = shape.element();
    const double replicated = tokens_of(op, shape) * static_cast<double>(op.in_features);
    switch (op.kind) {
        case OperatorKind::token_embedding:
            return 8.0 * shape.tokens();
        case OperatorKind::position_embedding:
            return 0;
        case OperatorKind::dropout:
            return replicated;
        case OperatorKind::norm:
            return e * replicated;
        case OperatorKind::linear:
            // A column-parallel input is kept divided under sequence parallelism (gathered again in
            // backward).
            if (op.split == Split::row)
                return e * shape.tokens() * static_cast<double>(op.in_features) / shape.tp;
            return e * shape.divided_tokens() * static_cast<double>(op.in_features);
        case OperatorKind::rotary:
            return 0;
        case OperatorKind::core_attention: {
            const AttentionShare a = share_of_attention(op, shape);
            const double qkv =
                e * shape.tokens() * static_cast<double>((a.heads + 2 * a.kv_heads) * op.head_dim);
            if (software.attention != AttentionImplementation::unfused) {
                const double statistics =
                    4.0 * static_cast<double>(a.batch_heads) * static_cast<double>(shape.seq);
                return qkv + statistics;  // its output is the next linear's saved input
            }
            if (checkpointed_attention) return qkv;
            return qkv + a.score_elements * (op.dropout > 0 ? 2.0 * e + 1 : e);
        }
        case OperatorKind::activation:
            return e * shape.tokens() * static_cast<double>(op.in_features) / shape.tp;
        case OperatorKind::dropout_add:
            return op.dropout > 0 ? replicated : 0;
        case OperatorKind::cross_entropy:
            return (software.fused_cross_entropy ? e : 4.0) * local_logits(op, shape, software);
    }
    return 0;
}

double workspace_bytes(const Operator& op, const LocalShape& shape, const Software& software) {
    if (op.kind == OperatorKind::cross_entropy)
        return 2.0 * shape.element() * local_logits(op, shape, software);
    if (op.kind == OperatorKind::core_attention && software.attention == AttentionImplementation::unfused) {
        return 2.0 * shape.element() * share_of_attention(op, shape).score_elements;
    }
    return 0;
}

}  // namespace orrery::models
