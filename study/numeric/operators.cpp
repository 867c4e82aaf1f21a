#include "study/numeric/operators.hpp"

#include <cmath>
#include <numbers>

namespace orrery::study::numeric {

using models::ActivationKind;
using models::NormKind;
using models::Operator;
using models::OperatorKind;

namespace {

constexpr double kEpsilon = 1e-5;

std::uint64_t mixed(std::uint64_t seed, std::uint64_t value) {  // splitmix64 (Steele et al. 2014)
    std::uint64_t z = seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2));
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

Matrix dropped(const OperatorPlace& at, const Rows& rows, const Matrix& x) {
    if (at.op.dropout <= 0) return x;
    Matrix y = x;
    for (Eigen::Index i = 0; i < y.rows(); ++i)
        for (Eigen::Index j = 0; j < y.cols(); ++j)
            y(i, j) *= dropout_factor(at.op.dropout, at.id, rows.sample(i), rows.token(i), j);
    return y;
}

// --- norms ---

/// A row less its mean (layer norm), over its deviation.
Matrix normalized(const Operator& op, const Matrix& x, Matrix& deviation) {
    Matrix y = x;
    if (op.norm == NormKind::layer_norm) y.colwise() -= x.rowwise().mean();
    deviation = (y.array().square().rowwise().mean() + kEpsilon).sqrt().matrix();
    y.array().colwise() /= deviation.col(0).array();
    return y;
}

Matrix norm_forward(const Operator& op, const Weights& weights, const Matrix& x) {
    Matrix deviation;
    Matrix y = normalized(op, x, deviation);
    y.array().rowwise() *= weights.weight.row(0).array();
    add_bias(weights, y);
    return y;
}

Matrix norm_input_gradient(const Operator& op, const Weights& weights, const Matrix& x, const Matrix& dy) {
    Matrix deviation;
    const Matrix y = normalized(op, x, deviation);
    Matrix g = dy;
    g.array().rowwise() *= weights.weight.row(0).array();
    const Eigen::VectorXd along = (g.array() * y.array()).rowwise().mean();
    const Eigen::VectorXd mean = g.rowwise().mean();
    Matrix dx = g - (y.array().colwise() * along.array()).matrix();
    if (op.norm == NormKind::layer_norm) dx.colwise() -= mean;
    dx.array().colwise() /= deviation.col(0).array();
    return dx;
}

// --- norms of queries and keys ---

/// Calls visit(column of the head, 0 of queries and 1 of keys) for every head of the rank.
template <class Visit>
void each_head(const OperatorPlace& at, Visit visit) {
    const Eigen::Index queries = at.op.heads / at.share.ranks;
    const Eigen::Index heads = queries + at.op.kv_heads / at.share.ranks;
    for (Eigen::Index head = 0; head < heads; ++head)
        visit(head * at.op.head_dim, head < queries ? Eigen::Index{0} : Eigen::Index{1});
}

/// One RMS norm, as an operator on a head's columns.
Operator norm_of_a_head(const Operator& op) {
    Operator norm{.kind = OperatorKind::norm};
    norm.norm = NormKind::rms_norm;
    norm.in_features = norm.out_features = op.head_dim;
    return norm;
}

Matrix head_norm_forward(const OperatorPlace& at, const Weights& weights, const Matrix& x) {
    const Operator norm = norm_of_a_head(at.op);
    Matrix y = x;  // values pass
    each_head(at, [&](Eigen::Index column, Eigen::Index which) {
        y.middleCols(column, at.op.head_dim) =
            norm_forward(norm, {weights.weight.row(which), {}}, x.middleCols(column, at.op.head_dim));
    });
    return y;
}

Matrix head_norm_input_gradient(const OperatorPlace& at, const Weights& weights, const Matrix& x,
                                const Matrix& dy) {
    const Operator norm = norm_of_a_head(at.op);
    const Eigen::Index size = at.op.head_dim;
    Matrix dx = dy;
    each_head(at, [&](Eigen::Index column, Eigen::Index which) {
        dx.middleCols(column, size) = norm_input_gradient(
            norm, {weights.weight.row(which), {}}, x.middleCols(column, size), dy.middleCols(column, size));
    });
    return dx;
}

void add_head_norm_gradient(const OperatorPlace& at, const Matrix& x, const Matrix& dy, Weights& sum) {
    const Operator norm = norm_of_a_head(at.op);
    const Eigen::Index size = at.op.head_dim;
    each_head(at, [&](Eigen::Index column, Eigen::Index which) {
        Matrix deviation;
        const Matrix y = normalized(norm, x.middleCols(column, size), deviation);
        sum.weight.row(which) += dy.middleCols(column, size).cwiseProduct(y).colwise().sum();
    });
}

// --- activations ---

double gelu(double x) {
    return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
}
double gelu_slope(double x) {
    return 0.5 * std::erfc(-x / std::numbers::sqrt2) +
           x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
}
double silu(double x) {
    return x / (1 + std::exp(-x));
}
double silu_slope(double x) {
    const double s = 1 / (1 + std::exp(-x));
    return s * (1 + x * (1 - s));
}

double activation(ActivationKind kind, double x) {
    switch (kind) {
        case ActivationKind::swiglu:
            return silu(x);
        case ActivationKind::relu:
            return x > 0 ? x : 0;
        case ActivationKind::gelu:
        case ActivationKind::geglu:
            break;
    }
    return gelu(x);
}
double activation_slope(ActivationKind kind, double x) {
    switch (kind) {
        case ActivationKind::swiglu:
            return silu_slope(x);
        case ActivationKind::relu:
            return x > 0 ? 1 : 0;
        case ActivationKind::gelu:
        case ActivationKind::geglu:
            break;
    }
    return gelu_slope(x);
}

Matrix activated(const Operator& op, const Matrix& x) {
    const auto value = [&](double one) { return activation(op.activation, one); };
    if (!models::is_gated(op.activation)) return x.unaryExpr(value);
    const Eigen::Index half = x.cols() / 2;
    return (x.leftCols(half).unaryExpr(value).array() * x.rightCols(half).array()).matrix();
}

Matrix activation_input_gradient(const Operator& op, const Matrix& x, const Matrix& dy) {
    const auto value = [&](double one) { return activation(op.activation, one); };
    const auto slope = [&](double one) { return activation_slope(op.activation, one); };
    if (!models::is_gated(op.activation)) return (x.unaryExpr(slope).array() * dy.array()).matrix();
    const Eigen::Index half = x.cols() / 2;
    Matrix dx(x.rows(), x.cols());
    dx.leftCols(half) =
        (x.leftCols(half).unaryExpr(slope).array() * x.rightCols(half).array() * dy.array()).matrix();
    dx.rightCols(half) = (x.leftCols(half).unaryExpr(value).array() * dy.array()).matrix();
    return dx;
}

// --- rotary positions ---

/// Queries and keys turned by their token's angles; back by the sign -1.
Matrix turned(const OperatorPlace& at, const Rows& rows, const Matrix& x, double sign) {
    Matrix y = x;
    const Eigen::Index size = at.op.head_dim;
    const Eigen::Index heads = (at.op.heads + at.op.kv_heads) / at.share.ranks;
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
        for (Eigen::Index pair = 0; pair < size / 2; ++pair) {
            const double exponent = -2.0 * static_cast<double>(pair) / static_cast<double>(size);
            const double angle = static_cast<double>(rows.token(i)) * std::pow(10000.0, exponent);
            const double c = std::cos(angle);
            const double s = sign * std::sin(angle);
            for (Eigen::Index head = 0; head < heads; ++head) {
                const Eigen::Index a = head * size + pair;
                const Eigen::Index b = a + size / 2;
                y(i, a) = c * x(i, a) - s * x(i, b);
                y(i, b) = s * x(i, a) + c * x(i, b);
            }
        }
    }
    return y;
}

}  // namespace

double dropout_factor(double probability, OperatorId id, std::int64_t sample, std::int64_t token,
                      std::int64_t element) {
    if (probability <= 0) return 1;
    std::uint64_t seed = mixed(static_cast<std::uint64_t>(id.node), static_cast<std::uint64_t>(id.op));
    for (const std::int64_t value : {sample, token, element})
        seed = mixed(seed, static_cast<std::uint64_t>(value));
    const double uniform = static_cast<double>(seed >> 11) * 0x1p-53;
    return uniform < probability ? 0 : 1 / (1 - probability);
}

void add_bias(const Weights& weights, Matrix& output) {
    if (weights.bias.size() > 0) output.rowwise() += weights.bias.row(0);
}

Matrix forward(const OperatorPlace& at, const Weights& weights, const Rows& rows,
               std::span<const Matrix* const> inputs) {
    const Matrix& x = *inputs[0];
    switch (at.op.kind) {
        case OperatorKind::position_embedding: {
            Matrix y = x;
            for (Eigen::Index i = 0; i < y.rows(); ++i) y.row(i) += weights.weight.row(rows.token(i));
            return y;
        }
        case OperatorKind::norm:
            return norm_forward(at.op, weights, x);
        case OperatorKind::head_norm:
            return head_norm_forward(at, weights, x);
        case OperatorKind::linear:
            return x * weights.weight.transpose();
        case OperatorKind::rotary:
            return turned(at, rows, x, 1);
        case OperatorKind::activation:
            return activated(at.op, x);
        case OperatorKind::dropout_add:
            return dropped(at, rows, x) + *inputs[1];
        default:
            return dropped(at, rows, x);
    }
}

std::vector<Matrix> input_gradient(const OperatorPlace& at, const Weights& weights, const Rows& rows,
                                   std::span<const Matrix* const> inputs, const Matrix& gradient) {
    switch (at.op.kind) {
        case OperatorKind::norm:
            return {norm_input_gradient(at.op, weights, *inputs[0], gradient)};
        case OperatorKind::head_norm:
            return {head_norm_input_gradient(at, weights, *inputs[0], gradient)};
        case OperatorKind::linear:
            return {gradient * weights.weight};
        case OperatorKind::rotary:
            return {turned(at, rows, gradient, -1)};
        case OperatorKind::activation:
            return {activation_input_gradient(at.op, *inputs[0], gradient)};
        case OperatorKind::dropout_add:
            return {dropped(at, rows, gradient), gradient};
        case OperatorKind::position_embedding:
            return {gradient};
        default:
            return {dropped(at, rows, gradient)};
    }
}

void add_weight_gradient(const OperatorPlace& at, const Rows& rows, std::span<const Matrix* const> inputs,
                         const Matrix& gradient, Weights& sum) {
    if (at.op.kind == OperatorKind::position_embedding) {
        for (Eigen::Index i = 0; i < gradient.rows(); ++i) sum.weight.row(rows.token(i)) += gradient.row(i);
        return;
    }
    if (at.op.kind == OperatorKind::head_norm) return add_head_norm_gradient(at, *inputs[0], gradient, sum);
    if (at.op.kind == OperatorKind::norm) {
        Matrix deviation;
        const Matrix y = normalized(at.op, *inputs[0], deviation);
        sum.weight += (gradient.array() * y.array()).colwise().sum().matrix();
    } else {
        sum.weight += gradient.transpose() * *inputs[0];
    }
    if (sum.bias.size() > 0) sum.bias += gradient.colwise().sum();
}

Matrix look_up(const Weights& table, Share share, std::span<const std::int64_t> words) {
    const Eigen::Index first = share.rank * table.weight.rows();
    Matrix y = Matrix::Zero(static_cast<Eigen::Index>(words.size()), table.weight.cols());
    for (std::size_t i = 0; i < words.size(); ++i) {
        const Eigen::Index row = words[i] - first;
        if (row >= 0 && row < table.weight.rows())
            y.row(static_cast<Eigen::Index>(i)) = table.weight.row(row);
    }
    return y;
}

void add_table_gradient(Share share, std::span<const std::int64_t> words, const Matrix& gradient,
                        Weights& sum) {
    const Eigen::Index first = share.rank * sum.weight.rows();
    for (std::size_t i = 0; i < words.size(); ++i) {
        const Eigen::Index row = words[i] - first;
        if (row >= 0 && row < sum.weight.rows())
            sum.weight.row(row) += gradient.row(static_cast<Eigen::Index>(i));
    }
}

LossStatistics loss_statistics(const Matrix& logits, Share share, std::span<const std::int64_t> targets) {
    LossStatistics s;
    const Eigen::Index first = share.rank * logits.cols();
    s.maximum = logits.rowwise().maxCoeff();
    s.sum = (logits.colwise() - s.maximum.col(0)).array().exp().rowwise().sum().matrix();
    s.target = Matrix::Zero(logits.rows(), 1);
    for (Eigen::Index i = 0; i < logits.rows(); ++i) {
        const Eigen::Index column = targets[static_cast<std::size_t>(i)] - first;
        if (column >= 0 && column < logits.cols()) s.target(i, 0) = logits(i, column);
    }
    return s;
}

double loss_of(const LossStatistics& s) {
    return (s.sum.array().log() + s.maximum.array() - s.target.array()).sum();
}

Matrix logits_gradient(const Matrix& logits, const LossStatistics& s, Share share,
                       std::span<const std::int64_t> targets, double scale) {
    const Eigen::Index first = share.rank * logits.cols();
    Matrix d = (logits.colwise() - s.maximum.col(0)).array().exp().matrix();
    d.array().colwise() /= s.sum.col(0).array();
    for (Eigen::Index i = 0; i < d.rows(); ++i) {
        const Eigen::Index column = targets[static_cast<std::size_t>(i)] - first;
        if (column >= 0 && column < d.cols()) d(i, column) -= 1;
    }
    return scale * d;
}

}  // namespace orrery::study::numeric
