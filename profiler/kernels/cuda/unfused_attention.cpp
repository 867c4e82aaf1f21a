// Attention without a fused kernel: products over stored scores with a softmax between them. Row-major
// [batch, heads, seq, d]; heads that share a key head run as one batch.
#include <cmath>

#include "profiler/kernels/cuda/launchable.hpp"

namespace orrery::profiler::cuda {
namespace {

/// A strided batch of row-major matrices: where it begins (bytes), elements of a row and of a matrix.
struct Matrices {
    void* data;
    std::int64_t row;
    std::int64_t stride;
};

class UnfusedAttention final : public Launchable {
  public:
    UnfusedAttention(const Kernel& kernel, Context& context)
        : k_(kernel),
          context_(context),
          kv_heads_(kernel.kv_heads > 0 ? kernel.kv_heads : kernel.heads),
          element_(static_cast<std::size_t>(bytes_of(kernel.precision))) {}

    /// q, k, v, out, scores; backward: q, k, v, dout, scores, dscores, dq, dk, dv (the probabilities are
    /// computed again, as a framework that recomputes does, so that the softmax's forward is part of it).
    [[nodiscard]] std::vector<Operand> operands() const override {
        const Operand query{count(k_.batch * k_.heads * k_.m, k_.k), element_, Contents::random};
        const Operand key{count(k_.batch * kv_heads_ * k_.n, k_.k), element_, Contents::random};
        const Operand wide_key{count(k_.batch * k_.heads * k_.n, k_.k), element_, Contents::random};
        const Operand scores{count(k_.batch * k_.heads * k_.m, k_.n), element_, Contents::random};
        if (!k_.backward) return {query, key, key, query, scores};
        return {query, key, key, query, scores, scores, query, wide_key, wide_key};
    }

    [[nodiscard]] std::string implementation() const override {
        return k_.backward ? "unfused: cublas, softmax recomputed" : "unfused: cublas and softmax";
    }

    void launch(void* const* o) override {
        const float scale = 1 / std::sqrt(static_cast<float>(k_.k));
        const std::int64_t rows = k_.batch * k_.heads * k_.m;
        for_groups([&](std::int64_t q, std::int64_t kv) {
            multiply(CUBLAS_OP_T, CUBLAS_OP_N, k_.n, k_.m, k_.k, keys(o[1], kv), queries(o[0], q),
                     scores(o[4], q));
        });
        ORRERY_CUDA(
            launch_scores_softmax(k_.precision, rows, k_.m, k_.n, k_.causal, scale, o[4], context_.stream));
        if (k_.backward) return gradients(o, rows, scale);
        for_groups([&](std::int64_t q, std::int64_t kv) {
            multiply(CUBLAS_OP_N, CUBLAS_OP_N, k_.k, k_.m, k_.n, keys(o[2], kv), scores(o[4], q),
                     queries(o[3], q));
        });
    }

  private:
    static std::size_t count(std::int64_t a, std::int64_t b) {
        return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
    }

    void gradients(void* const* o, std::int64_t rows, float scale) {
        for_groups([&](std::int64_t q, std::int64_t kv) {
            // dV = P^T dO; dP = dO V^T
            multiply(CUBLAS_OP_N, CUBLAS_OP_T, k_.k, k_.n, k_.m, queries(o[3], q), scores(o[4], q),
                     wide_keys(o[8], q));
            multiply(CUBLAS_OP_T, CUBLAS_OP_N, k_.n, k_.m, k_.k, keys(o[2], kv), queries(o[3], q),
                     scores(o[5], q));
        });
        ORRERY_CUDA(
            launch_scores_softmax_backward(k_.precision, rows, k_.n, scale, o[4], o[5], context_.stream));
        for_groups([&](std::int64_t q, std::int64_t kv) {
            // dQ = dS K; dK = dS^T Q
            multiply(CUBLAS_OP_N, CUBLAS_OP_N, k_.k, k_.m, k_.n, keys(o[1], kv), scores(o[5], q),
                     queries(o[6], q));
            multiply(CUBLAS_OP_N, CUBLAS_OP_T, k_.k, k_.n, k_.m, queries(o[0], q), scores(o[5], q),
                     wide_keys(o[7], q));
        });
    }

    /// f(first query head, key head) for each group of query heads that shares keys; all at once where each
    /// head has its own.
    template <class F>
    void for_groups(const F& f) {
        if (kv_heads_ == k_.heads) return f(0, 0);
        const std::int64_t shared = k_.heads / kv_heads_;
        for (std::int64_t i = 0; i < k_.batch * kv_heads_; ++i) f(i * shared, i);
    }
    [[nodiscard]] int group_size() const {
        return static_cast<int>(kv_heads_ == k_.heads ? k_.batch * k_.heads : k_.heads / kv_heads_);
    }

    Matrices queries(void* base, std::int64_t head) const { return at(base, head, k_.k, k_.m * k_.k); }
    Matrices wide_keys(void* base, std::int64_t head) const { return at(base, head, k_.k, k_.n * k_.k); }
    Matrices scores(void* base, std::int64_t head) const { return at(base, head, k_.n, k_.m * k_.n); }
    Matrices keys(void* base, std::int64_t head) const {
        Matrices out = at(base, head, k_.k, k_.n * k_.k);
        if (kv_heads_ != k_.heads) out.stride = 0;
        return out;
    }
    Matrices at(void* base, std::int64_t head, std::int64_t row, std::int64_t matrix) const {
        return {static_cast<std::byte*>(base) + static_cast<std::size_t>(head * matrix) * element_, row,
                matrix};
    }

    /// Row-major c = op(b) op(a) is column-major c^T = op(a)^T op(b)^T: arguments are cuBLAS's.
    void multiply(cublasOperation_t ta, cublasOperation_t tb, std::int64_t m, std::int64_t n, std::int64_t k,
                  const Matrices& a, const Matrices& b, const Matrices& c) {
        const float one = 1;
        const float zero = 0;
        const cudaDataType_t type = data_type(k_.precision);
        ORRERY_CUDA(cublasGemmStridedBatchedEx(
            context_.blas, ta, tb, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), &one,
            a.data, type, static_cast<int>(a.row), a.stride, b.data, type, static_cast<int>(b.row), b.stride,
            &zero, c.data, type, static_cast<int>(c.row), c.stride, group_size(), compute_type(k_.precision),
            CUBLAS_GEMM_DEFAULT));
    }

    Kernel k_;
    Context& context_;
    std::int64_t kv_heads_;
    std::size_t element_;
};

class Pass final : public Launchable {
  public:
    Pass(const KernelCase& kernel_case, Context& context) : case_(kernel_case), context_(context) {}
    [[nodiscard]] std::vector<Operand> operands() const override { return pass_operands(case_); }
    [[nodiscard]] std::string implementation() const override {
        return case_.operation == Operation::fill ? "cudaMemsetAsync" : "orrery";
    }
    void launch(void* const* o) override { ORRERY_CUDA(launch_pass(case_, o, context_.stream)); }

  private:
    KernelCase case_;
    Context& context_;
};

}  // namespace

std::unique_ptr<Launchable> make_unfused_attention(const Kernel& kernel, Context& context) {
    return std::make_unique<UnfusedAttention>(kernel, context);
}

std::unique_ptr<Launchable> make_pass(const KernelCase& kernel_case, Context& context) {
    return std::make_unique<Pass>(kernel_case, context);
}

}  // namespace orrery::profiler::cuda
