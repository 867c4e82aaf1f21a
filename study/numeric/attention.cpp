#include "study/numeric/attention.hpp"

#include <cmath>
#include <limits>

namespace orrery::study::numeric {
namespace {

/// The heads of a rank, and where their columns lie.
class Heads {
  public:
    explicit Heads(const OperatorPlace& at)
        : count(at.op.heads / at.share.ranks),
          first(at.share.rank * count),
          groups_(at.op.kv_heads / at.share.ranks),
          key_(at.op.head_dim),
          value_(at.op.value_dim) {}

    [[nodiscard]] Eigen::Index query(Eigen::Index head) const { return head * key_; }
    [[nodiscard]] Eigen::Index key(Eigen::Index head) const { return count * key_ + group(head) * key_; }
    [[nodiscard]] Eigen::Index value(Eigen::Index head) const {
        return (count + groups_) * key_ + group(head) * value_;
    }
    [[nodiscard]] Eigen::Index key_size() const { return key_; }
    [[nodiscard]] Eigen::Index value_size() const { return value_; }

    const Eigen::Index count;
    const Eigen::Index first;

  private:
    [[nodiscard]] Eigen::Index group(Eigen::Index head) const { return head * groups_ / count; }

    Eigen::Index groups_;
    Eigen::Index key_;
    Eigen::Index value_;
};

/// Columns of one sequence, a row a token.
Matrix columns(const Matrix& packed, const Rows& rows, Eigen::Index sequence, Eigen::Index first,
               Eigen::Index width) {
    Matrix one(rows.tokens, width);
    for (Eigen::Index t = 0; t < rows.tokens; ++t)
        one.row(t) = packed.block(t * rows.batch + sequence, first, 1, width);
    return one;
}

void add_columns(Matrix& packed, const Rows& rows, Eigen::Index sequence, Eigen::Index first,
                 const Matrix& one) {
    for (Eigen::Index t = 0; t < rows.tokens; ++t)
        packed.block(t * rows.batch + sequence, first, 1, one.cols()) += one.row(t);
}

/// The same of all slices, one below the other.
Matrix stacked(std::span<const PackedSlice> slices, Eigen::Index sequence, Eigen::Index first,
               Eigen::Index width) {
    std::int64_t tokens = 0;
    for (const PackedSlice& slice : slices) tokens += slice.rows.tokens;
    Matrix all(tokens, width);
    Eigen::Index at = 0;
    for (const PackedSlice& slice : slices) {
        all.middleRows(at, slice.rows.tokens) = columns(*slice.values, slice.rows, sequence, first, width);
        at += slice.rows.tokens;
    }
    return all;
}

/// What dropout multiplies the probabilities of a sequence and head by.
Matrix mask(const OperatorPlace& at, const Rows& queries, Eigen::Index keys, Eigen::Index sequence,
            Eigen::Index head) {
    Matrix factors = Matrix::Ones(queries.tokens, keys);
    if (at.op.dropout <= 0) return factors;
    for (Eigen::Index i = 0; i < queries.tokens; ++i)
        for (Eigen::Index j = 0; j < keys; ++j)
            factors(i, j) = dropout_factor(at.op.dropout, at.id, queries.first_sample + sequence,
                                           queries.first_token + i, head * (std::int64_t{1} << 32) + j);
    return factors;
}

/// ALiBi's slope of a head: the geometric series that ends at 2^-8.
double slope(const OperatorPlace& at, Eigen::Index head) {
    return std::exp2(-8.0 * static_cast<double>(head + 1) / static_cast<double>(at.op.heads));
}

void add_biases(Matrix& scores, std::int64_t first_query, double slope) {
    for (Eigen::Index i = 0; i < scores.rows(); ++i)
        for (Eigen::Index j = 0; j < scores.cols(); ++j)
            scores(i, j) -= slope * std::abs(static_cast<double>(first_query + i - j));
}

Matrix softmax(const OperatorPlace& at, const Matrix& scores, std::int64_t first_query) {
    Matrix p = scores;
    for (Eigen::Index i = 0; i < p.rows(); ++i) {
        for (Eigen::Index j = 0; j < p.cols(); ++j)
            if (at.op.causal && j > first_query + i) p(i, j) = -std::numeric_limits<double>::infinity();
        p.row(i) = (p.row(i).array() - p.row(i).maxCoeff()).exp().matrix();
        p.row(i) /= p.row(i).sum();
    }
    return p;
}

}  // namespace

Matrix attention_forward(const OperatorPlace& at, std::span<const PackedSlice> slices,
                         std::vector<Matrix>& probabilities) {
    const Heads heads(at);
    const PackedSlice& own = slices.back();
    const double scale = 1 / std::sqrt(static_cast<double>(heads.key_size()));
    Matrix output = Matrix::Zero(own.rows.count(), heads.count * heads.value_size());
    probabilities.clear();
    for (Eigen::Index sequence = 0; sequence < own.rows.batch; ++sequence) {
        for (Eigen::Index head = 0; head < heads.count; ++head) {
            const Matrix q = columns(*own.values, own.rows, sequence, heads.query(head), heads.key_size());
            const Matrix k = stacked(slices, sequence, heads.key(head), heads.key_size());
            const Matrix v = stacked(slices, sequence, heads.value(head), heads.value_size());
            Matrix scores = scale * q * k.transpose();
            if (at.linear_biases) add_biases(scores, own.rows.first_token, slope(at, heads.first + head));
            probabilities.push_back(softmax(at, scores, own.rows.first_token));
            const Matrix factors = mask(at, own.rows, k.rows(), sequence, heads.first + head);
            add_columns(output, own.rows, sequence, head * heads.value_size(),
                        probabilities.back().cwiseProduct(factors) * v);
        }
    }
    return output;
}

std::vector<Matrix> attention_input_gradient(const OperatorPlace& at, std::span<const PackedSlice> slices,
                                             const std::vector<Matrix>& probabilities,
                                             const Matrix& gradient) {
    const Heads heads(at);
    const PackedSlice& own = slices.back();
    const double scale = 1 / std::sqrt(static_cast<double>(heads.key_size()));
    std::vector<Matrix> result;
    for (const PackedSlice& slice : slices)
        result.push_back(Matrix::Zero(slice.values->rows(), slice.values->cols()));
    for (Eigen::Index sequence = 0; sequence < own.rows.batch; ++sequence) {
        for (Eigen::Index head = 0; head < heads.count; ++head) {
            const Matrix q = columns(*own.values, own.rows, sequence, heads.query(head), heads.key_size());
            const Matrix k = stacked(slices, sequence, heads.key(head), heads.key_size());
            const Matrix v = stacked(slices, sequence, heads.value(head), heads.value_size());
            const Matrix& p = probabilities[static_cast<std::size_t>(sequence * heads.count + head)];
            const Matrix factors = mask(at, own.rows, k.rows(), sequence, heads.first + head);
            const Matrix d_out =
                columns(gradient, own.rows, sequence, head * heads.value_size(), heads.value_size());
            const Matrix d_v = p.cwiseProduct(factors).transpose() * d_out;
            const Matrix d_p = (d_out * v.transpose()).cwiseProduct(factors);
            const Eigen::VectorXd along = d_p.cwiseProduct(p).rowwise().sum();
            const Matrix d_s = scale * p.cwiseProduct(d_p.colwise() - along);
            add_columns(result.back(), own.rows, sequence, heads.query(head), d_s * k);
            const Matrix d_k = d_s.transpose() * q;
            Eigen::Index first = 0;
            for (std::size_t i = 0; i < slices.size(); ++i) {
                const Rows& rows = slices[i].rows;
                add_columns(result[i], rows, sequence, heads.key(head), d_k.middleRows(first, rows.tokens));
                add_columns(result[i], rows, sequence, heads.value(head), d_v.middleRows(first, rows.tokens));
                first += rows.tokens;
            }
        }
    }
    return result;
}

}  // namespace orrery::study::numeric
