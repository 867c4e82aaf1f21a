// Kernels of a mixture of experts on one rank, as Megatron-Core with Transformer Engine launches them
// (megatron/core/transformer/moe/: router.py, moe_utils.py, token_dispatcher.py, experts.py): fused
// permutations that read and write each copy once, grouped products, the weights of the copies applied in the
// experts' activation.
#include "models/emitter.hpp"

namespace orrery::models {
namespace {

/// Routing is computed for the tokens that the rank's norms handle.
double routed_tokens(const LocalShape& shape) {
    return shape.divided_tokens();
}

/// Scores are kept in fp32.
constexpr double kScoreBytes = 4;

struct ExpertLinearShare {
    std::int64_t in;
    std::int64_t out;
};

ExpertLinearShare share_of_expert(const Operator& op, const LocalShape& shape) {
    if (op.split == Split::expert_row) return {divided(op.in_features, shape.experts.etp), op.out_features};
    return {op.in_features, divided(op.out_features, shape.experts.etp)};
}

Precision router_precision(const LocalShape& shape) {
    return shape.precision == Precision::fp8 ? Precision::bf16 : shape.precision;
}

double hidden_bytes(const Operator& op, const LocalShape& shape) {
    return shape.element() * static_cast<double>(op.in_features);
}

/// A rank of one expert receives its copies in order.
bool needs_order(const LocalShape& shape) {
    return shape.experts.local > 1;
}

double activation_outputs(const Operator& op, const LocalShape& shape) {
    return shape.experts.received * static_cast<double>(op.out_features) / shape.experts.etp;
}

void router_forward(const Operator& op, const LocalShape& shape, Emitter& emit) {
    const double tokens = routed_tokens(shape);
    const double scores = tokens * static_cast<double>(op.experts);
    emit.gemm(1, op.experts, static_cast<std::int64_t>(tokens), op.in_features, GemmLayout::tn,
              router_precision(shape));
    emit.memory(MemoryFamily::softmax, 2 * kScoreBytes * scores);           // softmax or sigmoid
    emit.memory(MemoryFamily::softmax, kScoreBytes * scores, 2);            // top-k
    emit.memory(MemoryFamily::elementwise, (kScoreBytes + 1) * scores, 2);  // map and weights of the chosen
    emit.memory(MemoryFamily::elementwise, (kScoreBytes + 1) * scores,
                3);  // auxiliary loss, copies an expert
}

}  // namespace

void experts_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    const ExpertShare& x = shape.experts;
    switch (op.kind) {
        case OperatorKind::router:
            router_forward(op, shape, emit);
            emit.host(software.host.views_per_linear);
            break;
        case OperatorKind::permute:
            emit.memory(MemoryFamily::gather, 2 * hidden_bytes(op, shape) * x.sent, 2);
            break;
        case OperatorKind::expert_order:
            if (needs_order(shape))
                emit.memory(MemoryFamily::gather, 2 * hidden_bytes(op, shape) * x.received);
            break;
        case OperatorKind::expert_linear: {
            const ExpertLinearShare w = share_of_expert(op, shape);
            quantise(x.received * static_cast<double>(w.in), shape, emit);
            quantise(static_cast<double>(x.local * w.in * w.out), shape, emit);
            emit.grouped_gemm(x.local, x.received, w.out, w.in, GemmLayout::tn);
            emit.host(software.host.views_per_linear);
            break;
        }
        case OperatorKind::activation:
            emit.memory(MemoryFamily::elementwise,
                        (gated(op) ? 3.0 : 2.0) * shape.element() * activation_outputs(op, shape));
            break;
        case OperatorKind::unpermute:
            emit.memory(MemoryFamily::gather, hidden_bytes(op, shape) * (x.sent + routed_tokens(shape)));
            break;
        default:
            break;
    }
}

void experts_backward_input(const Operator& op, const LocalShape& shape, const Software&, Emitter& emit) {
    const ExpertShare& x = shape.experts;
    switch (op.kind) {
        case OperatorKind::router: {
            const double tokens = routed_tokens(shape);
            emit.memory(MemoryFamily::softmax, 4 * kScoreBytes * tokens * static_cast<double>(op.experts), 4);
            emit.gemm(1, op.in_features, static_cast<std::int64_t>(tokens), op.experts, GemmLayout::nn,
                      router_precision(shape));
            // The norm's output went to the router, to the copies and to shared experts: gradients add up.
            emit.memory(MemoryFamily::elementwise, 3 * hidden_bytes(op, shape) * tokens);
            break;
        }
        case OperatorKind::permute:
            emit.memory(MemoryFamily::gather, hidden_bytes(op, shape) * (x.sent + routed_tokens(shape)));
            break;
        case OperatorKind::expert_order:
            if (needs_order(shape))
                emit.memory(MemoryFamily::gather, 2 * hidden_bytes(op, shape) * x.received);
            break;
        case OperatorKind::expert_linear: {
            const ExpertLinearShare w = share_of_expert(op, shape);
            quantise(x.received * static_cast<double>(w.out), shape, emit);
            emit.grouped_gemm(x.local, x.received, w.out, w.in, GemmLayout::nn);
            break;
        }
        case OperatorKind::activation:
            emit.memory(MemoryFamily::elementwise,
                        (gated(op) ? 5.0 : 3.0) * shape.element() * activation_outputs(op, shape));
            break;
        case OperatorKind::unpermute:
            emit.memory(MemoryFamily::gather, hidden_bytes(op, shape) * (x.sent + routed_tokens(shape)));
            break;
        default:
            break;
    }
}

void experts_backward_weight(const Operator& op, const LocalShape& shape, const Software& software,
                             Emitter& emit) {
    const double gradient = bytes_of(software.gradient_accumulation);
    const auto accumulated = [&](double parameters) {
        return software.accumulates_gradients ? (shape.element() + 2 * gradient) * parameters : 0;
    };
    if (op.kind == OperatorKind::router) {
        emit.gemm(1, op.in_features, op.experts, static_cast<std::int64_t>(routed_tokens(shape)),
                  GemmLayout::nt, router_precision(shape));
        emit.accumulate(accumulated(op.parameters()), 1);
    } else if (op.kind == OperatorKind::expert_linear) {
        const ExpertLinearShare w = share_of_expert(op, shape);
        const bool fused = software.fused_weight_gradient_accumulation;
        emit.grouped_gemm(shape.experts.local, shape.experts.received, w.out, w.in, GemmLayout::nt, fused);
        if (!fused) {
            emit.accumulate(accumulated(local_expert_parameters(op, shape.experts)),
                            static_cast<double>(shape.experts.local));
        }
    }
}

double experts_saved_bytes(const Operator& op, const LocalShape& shape) {
    const ExpertShare& x = shape.experts;
    switch (op.kind) {
        case OperatorKind::router:  // its input; scores, and a map of the choice
            return routed_tokens(shape) *
                   (hidden_bytes(op, shape) + (kScoreBytes + 1) * static_cast<double>(op.experts));
        case OperatorKind::expert_linear:
            return shape.element() * x.received * static_cast<double>(share_of_expert(op, shape).in);
        case OperatorKind::activation:
            return shape.element() * x.received * static_cast<double>(op.in_features) / x.etp;
        default:
            return 0;
    }
}

}  // namespace orrery::models
