// Kernels of what joins towers: concatenation, pooling, and the contrastive loss.
#include "models/emitter.hpp"

namespace orrery::models {

void towers_forward(const Operator& op, const LocalShape& shape, Emitter& emit) {
    const int e = shape.element();
    const double width = static_cast<double>(op.in_features);
    if (op.kind == OperatorKind::concatenate) {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * shape.divided_tokens() * width);
    } else if (op.kind == OperatorKind::pool) {
        emit.memory(MemoryFamily::gather, 2.0 * e * static_cast<double>(shape.batch) * width);
    } else {  // each embedding by its length
        const std::int64_t towers = op.in_features / op.out_features;
        emit.memory(MemoryFamily::normalization, 2.0 * e * shape.tokens() * width,
                    static_cast<double>(towers));
    }
}

void towers_backward_input(const Operator& op, const LocalShape& shape, Emitter& emit) {
    const int e = shape.element();
    const double width = static_cast<double>(op.in_features);
    if (op.kind == OperatorKind::concatenate) {
        emit.memory(MemoryFamily::elementwise, 2.0 * e * shape.divided_tokens() * width);
    } else if (op.kind == OperatorKind::pool) {  // zero but for the token that was taken
        emit.memory(MemoryFamily::fill, e * shape.tokens() * width);
        emit.memory(MemoryFamily::gather, 2.0 * e * static_cast<double>(shape.batch) * width);
    } else {
        const std::int64_t towers = op.in_features / op.out_features;
        emit.memory(MemoryFamily::normalization, 3.0 * e * shape.tokens() * width,
                    static_cast<double>(towers));
    }
}

ContrastiveLoss contrastive_loss(const Operator& op, std::int64_t rows, std::int64_t samples,
                                 const LocalShape& shape, const Software& software) {
    ContrastiveLoss loss;
    Emitter forward(shape, software, false, loss.forward);
    Emitter backward(shape, software, true, loss.backward);
    const int e = shape.element();
    const std::int64_t width = op.out_features;
    const std::int64_t towers = op.in_features / width;
    const double similarities = static_cast<double>(rows) * static_cast<double>(samples);
    for (std::int64_t direction = 0; direction < towers; ++direction) {
        forward.gemm(1, samples, rows, width, GemmLayout::tn, shape.precision);
        forward.memory(MemoryFamily::elementwise, 2.0 * e * similarities);    // times the learned scale
        forward.memory(MemoryFamily::elementwise, (e + 4.0) * similarities);  // to fp32
        forward.memory(MemoryFamily::softmax, 8.0 * similarities, 2);  // log-softmax, the targets' terms
        backward.memory(MemoryFamily::elementwise, 8.0 * similarities);
        backward.memory(MemoryFamily::elementwise, (4.0 + e) * similarities);  // to 16 bits
        backward.memory(MemoryFamily::elementwise, 2.0 * e * similarities);    // the scale and its gradient
        backward.gemm(1, width, rows, samples, GemmLayout::nn, shape.precision);
        backward.gemm(1, width, samples, rows, GemmLayout::nt, shape.precision);
    }
    loss.gathered_bytes = static_cast<double>(e * samples * op.in_features);
    loss.workspace_bytes = 2 * loss.gathered_bytes + static_cast<double>(towers) * (4.0 + e) * similarities;
    return loss;
}

}  // namespace orrery::models
