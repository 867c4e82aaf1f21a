#include "models/emit.hpp"

#include <algorithm>

#include "models/emitter.hpp"

namespace orrery::models {
namespace {

/// Whether its work is divided by experts instead of tokens alone.
bool works_on_experts(const Operator& op) {
    switch (op.kind) {
        case OperatorKind::router:
        case OperatorKind::permute:
        case OperatorKind::expert_order:
        case OperatorKind::expert_linear:
        case OperatorKind::unpermute:
            return true;
        default:
            return op.split == Split::expert_column;
    }
}

/// Whether it joins towers or ends one.
bool joins_towers(const Operator& op) {
    return op.kind == OperatorKind::concatenate || op.kind == OperatorKind::pool ||
           op.kind == OperatorKind::contrastive_loss;
}

double query_and_key_elements(const Operator& op, const LocalShape& shape) {
    const AttentionShare a = share_of_attention(op, shape);
    return shape.tokens() * static_cast<double>((a.heads + a.kv_heads) * op.head_dim);
}

void linear_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    const LinearShare w = share_of(op, shape, software);
    const auto tokens = static_cast<std::int64_t>(tokens_of(op, shape));
    if (op.split != Split::vocabulary) {
        quantise(tokens_of(op, shape) * static_cast<double>(w.in), shape, emit);
        quantise(static_cast<double>(w.in) * static_cast<double>(w.out), shape, emit);
    }
    emit.gemm(1, w.out, tokens, w.in, GemmLayout::tn, gemm_precision(op, shape));
    emit.host(software.host.views_per_linear);
}

/// torch's: the logits cast, their log-softmax written.
void torch_cross_entropy_forward(const Software& software, int e, double logits, Emitter& emit) {
    if (software.logits_in_fp32) emit.memory(MemoryFamily::elementwise, (e + 4.0) * logits);
    emit.memory(MemoryFamily::softmax, 2.0 * (software.logits_in_fp32 ? 4 : e) * logits, 2);
}

void cross_entropy_forward(const LocalShape& shape, const Software& software, double logits, Emitter& emit) {
    const int e = shape.element();
    for (int metric = 0; metric < software.loss_metrics; ++metric) {
        torch_cross_entropy_forward(software, e, logits, emit);
    }
    if (software.cross_entropy == CrossEntropy::fused) {
        emit.memory(MemoryFamily::softmax, e * logits);
        return;
    }
    if (software.cross_entropy == CrossEntropy::torch) {
        torch_cross_entropy_forward(software, e, logits, emit);
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
    if (software.cross_entropy == CrossEntropy::fused) {
        emit.memory(MemoryFamily::softmax, 2.0 * e * logits);
        return;
    }
    if (software.cross_entropy == CrossEntropy::torch) {
        const int width = software.logits_in_fp32 ? 4 : e;
        emit.memory(MemoryFamily::fill, width * logits);           // cleared for the targets' gradients
        emit.memory(MemoryFamily::softmax, 3.0 * width * logits);  // of the log-softmax
        if (software.logits_in_fp32) emit.memory(MemoryFamily::elementwise, (4.0 + e) * logits);
        return;
    }
    emit.memory(MemoryFamily::elementwise, 8.0 * logits);        // times the incoming gradient
    emit.memory(MemoryFamily::elementwise, (4.0 + e) * logits);  // to 16 bits
}

/// Queries and keys turned, forward or backward; then keys and values copied to their groups' query heads, or
/// those copies' gradients summed.
void rotary(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    const int e = shape.element();
    const double head = tokens_of(op, shape) * static_cast<double>(op.head_dim) / shape.tp;
    const double rotated = head * static_cast<double>(op.heads + op.kv_heads);
    if (software.rotary_in_fp32) {  // cast, complex product, cast back
        emit.memory(MemoryFamily::elementwise, 2.0 * (e + 4.0) * rotated, 4);
        emit.memory(MemoryFamily::elementwise, 8.0 * rotated, 2);
    } else {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * rotated, software.compiled ? 1 : 2);
    }
    if (software.repeats_kv && op.heads > op.kv_heads) {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * head * static_cast<double>(op.heads + op.kv_heads),
                    2);
    }
}

double local_logits(const Operator& op, const LocalShape& shape, const Software& software) {
    return shape.tokens() * static_cast<double>(padded_vocabulary(op.in_features, shape.tp, software)) /
           shape.tp;
}

}  // namespace

LocalShape shape_for(const Operator& op, const LocalShape& shape) {
    if (op.token_share == 1 && op.key_share == 1) return shape;
    LocalShape own = shape;
    own.seq = std::llround(static_cast<double>(shape.seq) * op.token_share);
    own.keys = std::llround(static_cast<double>(shape.keys) * op.key_share);
    return own;
}

std::int64_t padded_vocabulary(std::int64_t vocab, int tp, const Software& software) {
    if (software.vocab_multiple == 0) return vocab / tp * tp;  // the remainder is dropped
    const std::int64_t multiple = std::int64_t{1} * software.vocab_multiple * tp;
    return (vocab + multiple - 1) / multiple * multiple;
}

double local_expert_parameters(const Operator& op, const ExpertShare& experts) {
    const auto local = static_cast<double>(experts.local);
    const double weights =
        local * static_cast<double>(op.in_features) * static_cast<double>(op.out_features) / experts.etp;
    const double bias = op.bias ? local * static_cast<double>(op.out_features) : 0;
    return weights + (op.split == Split::expert_column ? bias / experts.etp : bias);
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

void emit_forward(const Operator& op, const LocalShape& whole, const Software& software,
                  std::vector<Kernel>& out) {
    const LocalShape shape = shape_for(op, whole);
    Emitter emit(shape, software, false, out);
    const int e = shape.element();
    const double width = static_cast<double>(op.out_features);
    const double tokens = tokens_of(op, shape);
    if (works_on_experts(op)) return experts_forward(op, shape, software, emit);
    if (joins_towers(op)) return towers_forward(op, shape, emit);
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
            if (!software.fused_norm && software.norm_in_fp32) {
                // Cast, square, mean, scale, cast back, weight.
                emit.memory(MemoryFamily::elementwise, (28.0 + 4 * e) * tokens * width, 6);
                break;
            }
            emit.memory(MemoryFamily::normalization, 2.0 * e * tokens * width);
            if (!software.fused_norm) emit.memory(MemoryFamily::elementwise, 4.0 * e * tokens * width, 3);
            break;
        case OperatorKind::linear:
            linear_forward(op, shape, software, emit);
            break;
        case OperatorKind::rotary:
            rotary(op, shape, software, emit);
            break;
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
        case OperatorKind::head_norm:
            emit.memory(MemoryFamily::normalization, 2.0 * e * query_and_key_elements(op, shape), 2);
            break;
        case OperatorKind::cross_entropy:
            if (software.transposed_activations) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * local_logits(op, shape, software));
            }
            cross_entropy_forward(shape, software, local_logits(op, shape, software), emit);
            break;
        default:
            break;
    }
}

void emit_backward_input(const Operator& op, const LocalShape& whole, const Software& software,
                         std::vector<Kernel>& out) {
    const LocalShape shape = shape_for(op, whole);
    Emitter emit(shape, software, true, out);
    const int e = shape.element();
    const double width = static_cast<double>(op.out_features);
    const double tokens = tokens_of(op, shape);
    if (works_on_experts(op)) return experts_backward_input(op, shape, software, emit);
    if (joins_towers(op)) return towers_backward_input(op, shape, emit);
    switch (op.kind) {
        case OperatorKind::token_embedding:
        case OperatorKind::position_embedding:
            break;
        case OperatorKind::dropout:
            emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * tokens * width);
            break;
        case OperatorKind::norm:
            if (!software.fused_norm && software.norm_in_fp32) {
                // Through the weight (2e); cast (e + 4); the scale's two gradients (8 and 16); the mean and
                // the square (20); their sum (12); cast (4 + e).
                emit.memory(MemoryFamily::elementwise, (64.0 + 4 * e) * tokens * width, 10);
                break;
            }
            emit.memory(MemoryFamily::normalization, 3.0 * e * tokens * width);
            if (!software.fused_norm) emit.memory(MemoryFamily::elementwise, 6.0 * e * tokens * width, 4);
            break;
        case OperatorKind::linear: {
            if (op.reads_data) break;
            const LinearShare w = share_of(op, shape, software);
            if (op.split != Split::vocabulary) quantise(tokens * static_cast<double>(w.out), shape, emit);
            emit.gemm(1, w.in, static_cast<std::int64_t>(tokens), w.out, GemmLayout::nn,
                      gemm_precision(op, shape));
            emit.host(software.host.views_per_linear);
            break;
        }
        case OperatorKind::rotary:
            rotary(op, shape, software, emit);
            break;
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
        case OperatorKind::head_norm:
            emit.memory(MemoryFamily::normalization, 3.0 * e * query_and_key_elements(op, shape), 2);
            break;
        case OperatorKind::cross_entropy:
            cross_entropy_backward(shape, software, local_logits(op, shape, software), emit);
            if (software.transposed_activations) {
                emit.memory(MemoryFamily::elementwise, 2.0 * e * local_logits(op, shape, software));
            }
            break;
        default:
            break;
    }
}

void emit_backward_weight(const Operator& op, const LocalShape& whole, const Software& software,
                          std::vector<Kernel>& out) {
    const LocalShape shape = shape_for(op, whole);
    Emitter emit(shape, software, true, out);
    const int e = shape.element();
    const double tokens = tokens_of(op, shape);
    const double parameters = local_parameters(op, shape.tp, software);
    const int g = bytes_of(software.gradient_accumulation);
    const double accumulate = software.accumulates_gradients
                                  ? (e + 2.0 * g) * parameters
                                  : 0;  // read the new gradient, read and write the buffer
    if (works_on_experts(op)) return experts_backward_weight(op, shape, software, emit);
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
            emit.gemm(1, w.in, w.out, static_cast<std::int64_t>(tokens), GemmLayout::nt,
                      gemm_precision(op, shape), fused);
            if (op.bias) emit.memory(MemoryFamily::elementwise, e * tokens * static_cast<double>(w.out));
            if (!fused) emit.accumulate(accumulate, op.bias ? 2 : 1);
            break;
        }
        case OperatorKind::head_norm:
            emit.memory(MemoryFamily::normalization, 2.0 * e * query_and_key_elements(op, shape), 2);
            emit.accumulate(accumulate, 2);
            break;
        default:
            break;
    }
}

double saved_activation_bytes(const Operator& op, const LocalShape& whole, const Software& software,
                              bool checkpointed_attention) {
    const LocalShape shape = shape_for(op, whole);
    const int e = shape.element();
    const double replicated = tokens_of(op, shape) * static_cast<double>(op.in_features);
    if (works_on_experts(op)) return experts_saved_bytes(op, shape);
    if (op.kind == OperatorKind::contrastive_loss) return e * replicated;
    if (joins_towers(op)) return 0;
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
        case OperatorKind::core_attention:
            return attention_saved_bytes(op, shape, software, checkpointed_attention);
        case OperatorKind::head_norm:
            return e * query_and_key_elements(op, shape);
        case OperatorKind::activation:
            return e * shape.tokens() * static_cast<double>(op.in_features) / shape.tp;
        case OperatorKind::dropout_add:
            return op.dropout > 0 ? replicated : 0;
        case OperatorKind::cross_entropy:
            return (software.cross_entropy == CrossEntropy::fused || !software.logits_in_fp32 ? e : 4.0) *
                   local_logits(op, shape, software);
        default:
            break;
    }
    return 0;
}

double key_value_bytes(const Operator& op, const LocalShape& shape) {
    return op.kind == OperatorKind::core_attention ? keys_and_values(op, shape, shape.seq) : 0;
}

double workspace_bytes(const Operator& op, const LocalShape& whole, const Software& software) {
    const LocalShape shape = shape_for(op, whole);
    if (op.kind == OperatorKind::cross_entropy)
        return 2.0 * shape.element() * local_logits(op, shape, software);
    if (op.kind == OperatorKind::core_attention && software.attention == AttentionImplementation::unfused) {
        return 2.0 * shape.element() * share_of_attention(op, shape).score_elements;
    }
    return 0;
}

}  // namespace orrery::models
