#include "profiler/kernels/cpu/products.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery::profiler::cpu {
namespace {

using Eigen::Index;
using ColumnMajor = Eigen::Map<const Eigen::MatrixXf>;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::Map<Rows, 0, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const Rows, 0, Eigen::OuterStride<>>;

constexpr Index kBlock = 64;  // rows of queries and of keys at a time

/// One head of one sequence.
struct Head {
    Index m, n, d;
    Index query_stride, key_stride;
    Index query_offset, key_offset, statistics_offset;
    bool causal;
    float scale;

    [[nodiscard]] ConstStrided queries(const float* base, Index from, Index rows) const {
        return {base + query_offset + from * query_stride, rows, d, Eigen::OuterStride<>(query_stride)};
    }
    [[nodiscard]] Strided queries(float* base, Index from, Index rows) const {
        return {base + query_offset + from * query_stride, rows, d, Eigen::OuterStride<>(query_stride)};
    }
    [[nodiscard]] ConstStrided keys(const float* base, Index from, Index rows) const {
        return {base + key_offset + from * key_stride, rows, d, Eigen::OuterStride<>(key_stride)};
    }
    [[nodiscard]] Strided keys(float* base, Index from, Index rows) const {
        return {base + key_offset + from * key_stride, rows, d, Eigen::OuterStride<>(key_stride)};
    }
    /// Keys that queries from `from` to from + rows - 1 see at most.
    [[nodiscard]] Index visible(Index from, Index rows) const {
        return causal ? std::clamp<Index>(from + rows + n - m, 0, n) : n;
    }
    /// Puts -infinity where a query does not see a key.
    void mask(Rows& scores, Index query, Index key) const {
        if (!causal) return;
        for (Index i = 0; i < scores.rows(); ++i) {
            const Index seen = std::clamp<Index>(query + i + n - m + 1 - key, 0, scores.cols());
            scores.row(i).tail(scores.cols() - seen).setConstant(-std::numeric_limits<float>::infinity());
        }
    }
};

template <class Work>
void for_each_head(const Kernel& kernel, const Work& work) {
    const Index heads = kernel.heads;
    const Index kv_heads = kernel.kv_heads > 0 ? kernel.kv_heads : heads;
    const Index d = kernel.k;
    for (Index sequence = 0; sequence < kernel.batch; ++sequence) {
        for (Index head = 0; head < heads; ++head) {
            Head one{};
            one.m = kernel.m;
            one.n = kernel.n;
            one.d = d;
            one.query_stride = heads * d;
            one.key_stride = kv_heads * d;
            one.query_offset = sequence * kernel.m * heads * d + head * d;
            one.key_offset = sequence * kernel.n * kv_heads * d + head / (heads / kv_heads) * d;
            one.statistics_offset = (sequence * heads + head) * kernel.m;
            one.causal = kernel.causal;
            one.scale = 1 / std::sqrt(static_cast<float>(d));
            work(one);
        }
    }
}

void forward_block(const Head& head, Index from, Index rows, const float* q, const float* keys,
                   const float* values, float* out, float* log_sum) {
    const ConstStrided queries = head.queries(q, from, rows);
    Rows sum = Rows::Zero(rows, head.d);
    Eigen::VectorXf top = Eigen::VectorXf::Constant(rows, -std::numeric_limits<float>::infinity());
    Eigen::VectorXf total = Eigen::VectorXf::Zero(rows);
    Rows scores;
    const Index visible = head.visible(from, rows);
    for (Index key = 0; key < visible; key += kBlock) {
        const Index columns = std::min(kBlock, visible - key);
        scores.noalias() = queries * head.keys(keys, key, columns).transpose();
        scores *= head.scale;
        head.mask(scores, from, key);
        for (Index i = 0; i < rows; ++i) {
            const float highest = std::max(top[i], scores.row(i).maxCoeff());
            if (highest == -std::numeric_limits<float>::infinity()) {
                scores.row(i).setZero();
                continue;
            }
            const float shrink = std::exp(top[i] - highest);
            scores.row(i) = (scores.row(i).array() - highest).exp();
            total[i] = total[i] * shrink + scores.row(i).sum();
            sum.row(i) *= shrink;
            top[i] = highest;
        }
        sum.noalias() += scores * head.keys(values, key, columns);
    }
    Strided result = head.queries(out, from, rows);
    for (Index i = 0; i < rows; ++i) {
        result.row(i) =
            total[i] > 0 ? Eigen::RowVectorXf(sum.row(i) / total[i]) : Eigen::RowVectorXf(sum.row(i));
        log_sum[head.statistics_offset + from + i] = top[i] + std::log(total[i]);
    }
}

struct Gradients {
    const float* q;
    const float* keys;
    const float* values;
    const float* out;
    const float* dout;
    const float* log_sum;
    float* dq;
    float* dkeys;
    float* dvalues;
};

void backward_block(const Head& head, Index from, Index rows, const Gradients& g) {
    const ConstStrided queries = head.queries(g.q, from, rows);
    const ConstStrided gradient = head.queries(g.dout, from, rows);
    const Eigen::VectorXf inner = head.queries(g.out, from, rows).cwiseProduct(gradient).rowwise().sum();
    Strided dqueries = head.queries(g.dq, from, rows);
    dqueries.setZero();
    Rows scores;
    Rows dscores;
    const Index visible = head.visible(from, rows);
    for (Index key = 0; key < visible; key += kBlock) {
        const Index columns = std::min(kBlock, visible - key);
        scores.noalias() = queries * head.keys(g.keys, key, columns).transpose();
        scores *= head.scale;
        head.mask(scores, from, key);
        for (Index i = 0; i < rows; ++i) {
            scores.row(i) = (scores.row(i).array() - g.log_sum[head.statistics_offset + from + i]).exp();
        }
        head.keys(g.dvalues, key, columns).noalias() += scores.transpose() * gradient;
        dscores.noalias() = gradient * head.keys(g.values, key, columns).transpose();
        dscores.colwise() -= inner;
        dscores = dscores.cwiseProduct(scores) * head.scale;
        dqueries.noalias() += dscores * head.keys(g.keys, key, columns);
        head.keys(g.dkeys, key, columns).noalias() += dscores.transpose() * queries;
    }
}

}  // namespace

void gemm(const Kernel& kernel, const float* a, const float* b, float* c) {
    const Index m = kernel.m;
    const Index n = kernel.n;
    const Index k = kernel.k;
    for (std::int64_t i = 0; i < kernel.batch; ++i, a += m * k, b += k * n, c += m * n) {
        Eigen::Map<Eigen::MatrixXf> product(c, m, n);
        if (!kernel.accumulate) product.setZero();
        switch (kernel.layout) {
            case GemmLayout::tn:
                product.noalias() += ColumnMajor(a, k, m).transpose() * ColumnMajor(b, k, n);
                break;
            case GemmLayout::nn:
                product.noalias() += ColumnMajor(a, m, k) * ColumnMajor(b, k, n);
                break;
            case GemmLayout::nt:
                product.noalias() += ColumnMajor(a, m, k) * ColumnMajor(b, n, k).transpose();
                break;
        }
    }
}

void attention_forward(const Kernel& kernel, const float* q, const float* keys, const float* values,
                       float* out, float* log_sum) {
    for_each_head(kernel, [&](const Head& head) {
        for (Index from = 0; from < head.m; from += kBlock) {
            forward_block(head, from, std::min(kBlock, head.m - from), q, keys, values, out, log_sum);
        }
    });
}

void attention_backward(const Kernel& kernel, const float* q, const float* keys, const float* values,
                        const float* out, const float* dout, const float* log_sum, float* dq, float* dkeys,
                        float* dvalues) {
    const std::int64_t kv_heads = kernel.kv_heads > 0 ? kernel.kv_heads : kernel.heads;
    const std::int64_t key_elements = kernel.batch * kernel.n * kv_heads * kernel.k;
    std::fill(dkeys, dkeys + key_elements, 0.0F);
    std::fill(dvalues, dvalues + key_elements, 0.0F);
    const Gradients gradients{q, keys, values, out, dout, log_sum, dq, dkeys, dvalues};
    for_each_head(kernel, [&](const Head& head) {
        for (Index from = 0; from < head.m; from += kBlock) {
            backward_block(head, from, std::min(kBlock, head.m - from), gradients);
        }
    });
}

}  // namespace orrery::profiler::cpu
