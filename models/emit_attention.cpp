// Kernels of the attention core: one fused kernel, or products and softmax on their own.
#include "models/emitter.hpp"

namespace orrery::models {
namespace {

/// Elements of a token's queries, keys and values on this rank.
double query_key_value_width(const Operator& op, const AttentionShare& a) {
    return static_cast<double>((a.heads + a.kv_heads) * op.head_dim + a.kv_heads * op.value_dim);
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
    k.k = (op.head_dim + op.value_dim) / 2;  // of two sizes the mean: the same FLOPs
    k.causal = op.causal;
    // Queries are the last `seq` of `keys` tokens: each sees keys - seq/2 of them on average.
    const double seen = op.causal ? static_cast<double>(shape.keys) - static_cast<double>(shape.seq) / 2
                                  : static_cast<double>(shape.keys);
    const double forward = 2.0 * static_cast<double>(a.batch_heads) * static_cast<double>(shape.seq) * seen *
                           static_cast<double>(op.head_dim + op.value_dim);
    k.flops = backward ? 2.5 * forward : forward;
    return k;
}

/// The gradients of queries, keys and values: copied into one tensor, or the three products' input gradients
/// added.
void qkv_gradient(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    if (!software.packed_qkv) {
        const double hidden = shape.tokens() * static_cast<double>(op.heads * op.head_dim);
        emit.memory(MemoryFamily::elementwise, 2 * 3.0 * e * hidden, 2);
    } else if (software.attention !=
               AttentionImplementation::cudnn) {  // Transformer Engine writes it in place
        emit.memory(MemoryFamily::elementwise, 2.0 * e * shape.tokens() * query_key_value_width(op, a));
    }
}

/// A slice's keys and values join those of earlier slices in one buffer.
void cache_keys(const Operator& op, const LocalShape& shape, Emitter& emit) {
    if (shape.sliced) emit.memory(MemoryFamily::elementwise, 2 * keys_and_values(op, shape, shape.seq));
}

/// A slice's backward adds to the gradients of all earlier slices' keys and values, and takes up what later
/// slices left for its own.
void key_gradients(const Operator& op, const LocalShape& shape, Emitter& emit) {
    if (shape.sliced) emit.memory(MemoryFamily::elementwise, 3 * keys_and_values(op, shape, shape.keys));
}

/// The share of the scores that Megatron's kernel reads: half, of whole sequences; of a slice, whose queries
/// are the last of `keys` tokens, more.
double unmasked_share(const LocalShape& shape) {
    return shape.sliced ? 1 - static_cast<double>(shape.seq) / static_cast<double>(2 * shape.keys) : 0.5;
}

/// Megatron's kernels handle so many sequences and heads at a time (fused_softmax.py: attn_batches).
constexpr std::int64_t kFusedSoftmaxBatch = 4;

/// How scores become probabilities: in one kernel; in one operator each in 16 bits; or, where the one kernel
/// does not take the shape, in one operator each in fp32, with casts (FusedScaleMaskSoftmax's other branch).
enum class Softmax : std::uint8_t { fused, separate, separate_in_fp32 };

Softmax softmax_of(const AttentionShare& a, const Software& software) {
    if (!software.fused_softmax) return Softmax::separate;
    return a.batch_heads % kFusedSoftmaxBatch == 0 ? Softmax::fused : Softmax::separate_in_fp32;
}

void softmax_forward(const AttentionShare& a, const LocalShape& shape, const Software& software,
                     Emitter& emit) {
    const int e = shape.element();
    const Softmax how = softmax_of(a, software);
    if (how == Softmax::fused) {
        // Megatron's upper-triangular kernel reads the unmasked part and writes the whole, zeros included.
        emit.memory(MemoryFamily::softmax, (1 + unmasked_share(shape)) * e * a.score_elements);
        return;
    }
    const int width = how == Softmax::separate ? e : 4;
    if (width > e) emit.memory(MemoryFamily::elementwise, (e + 4.0) * a.score_elements);  // cast
    emit.memory(MemoryFamily::elementwise, 2.0 * width * a.score_elements);               // scale
    emit.memory(MemoryFamily::elementwise, 2.0 * width * a.score_elements);               // mask
    emit.memory(MemoryFamily::softmax, 2.0 * width * a.score_elements);
    if (width > e) emit.memory(MemoryFamily::elementwise, (4.0 + e) * a.score_elements);  // cast back
}

void softmax_backward(const AttentionShare& a, const LocalShape& shape, const Software& software,
                      Emitter& emit) {
    const int e = shape.element();
    const Softmax how = softmax_of(a, software);
    const int width = how == Softmax::separate_in_fp32 ? 4 : e;
    if (width > e) emit.memory(MemoryFamily::elementwise, (e + 4.0) * a.score_elements);  // cast
    emit.memory(MemoryFamily::softmax, (how == Softmax::fused ? 2.0 : 3.0) * width * a.score_elements);
    if (how == Softmax::fused) return;
    emit.memory(MemoryFamily::elementwise, 2.0 * width * a.score_elements);               // mask
    emit.memory(MemoryFamily::elementwise, 2.0 * width * a.score_elements);               // scale
    if (width > e) emit.memory(MemoryFamily::elementwise, (4.0 + e) * a.score_elements);  // cast back
}

}  // namespace

void attention_forward(const Operator& op, const LocalShape& shape, const Software& software, Emitter& emit) {
    cache_keys(op, shape, emit);
    if (software.attention != AttentionImplementation::unfused) {
        emit.push(fused_attention(op, shape, software, false));
        return;
    }
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    emit.gemm(a.batch_heads, shape.keys, shape.seq, op.head_dim, GemmLayout::tn, shape.precision);
    softmax_forward(a, shape, software, emit);
    if (op.dropout > 0) {
        emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * a.score_elements);
        emit.host(software.host.rng_fork);
    }
    emit.gemm(a.batch_heads, op.value_dim, shape.seq, shape.keys, GemmLayout::nn, shape.precision);
    if (software.transposed_activations) {
        emit.memory(MemoryFamily::elementwise,
                    2.0 * e * shape.tokens() * static_cast<double>(a.heads * op.value_dim));
    }
}

void attention_backward(const Operator& op, const LocalShape& shape, const Software& software,
                        Emitter& emit) {
    key_gradients(op, shape, emit);
    if (software.attention != AttentionImplementation::unfused) {
        emit.push(fused_attention(op, shape, software, true));
        qkv_gradient(op, shape, software, emit);
        return;
    }
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    const double context = shape.tokens() * static_cast<double>(a.heads * op.value_dim);
    if (software.transposed_activations) emit.memory(MemoryFamily::elementwise, 2.0 * e * context);
    emit.gemm(a.batch_heads, shape.keys, shape.seq, op.value_dim, GemmLayout::tn,
              shape.precision);  // dP = dO V^T
    emit.gemm(a.batch_heads, op.value_dim, shape.keys, shape.seq, GemmLayout::nt,
              shape.precision);  // dV = P^T dO
    if (op.dropout > 0) emit.memory(MemoryFamily::elementwise, (2.0 * e + 1) * a.score_elements);
    softmax_backward(a, shape, software, emit);
    emit.gemm(a.batch_heads, op.head_dim, shape.seq, shape.keys, GemmLayout::nn, shape.precision);  // dQ
    emit.gemm(a.batch_heads, op.head_dim, shape.keys, shape.seq, GemmLayout::nt, shape.precision);  // dK
    emit.memory(MemoryFamily::elementwise,
                2.0 * e * 3 * context);  // gradients of q, k, v gathered into one tensor
}

double attention_saved_bytes(const Operator& op, const LocalShape& shape, const Software& software,
                             bool checkpointed) {
    const AttentionShare a = share_of_attention(op, shape);
    const int e = shape.element();
    const double qkv = e * shape.tokens() * query_key_value_width(op, a);
    if (software.attention != AttentionImplementation::unfused) {
        const double statistics = 4.0 * static_cast<double>(a.batch_heads) * static_cast<double>(shape.seq);
        return qkv + statistics;  // its output is the next linear's saved input
    }
    if (checkpointed) return qkv;
    return qkv + a.score_elements * (op.dropout > 0 ? 2.0 * e + 1 : e);
}

}  // namespace orrery::models
