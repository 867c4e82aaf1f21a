// study/numeric/operators.hpp
//
// The mathematics of a transformer's operators, forward and backward, on the share of a tensor-parallel rank:
// whole for a group of one. Written for what it says, not for speed.
//
// Norms: layer norm (Ba et al. 2016), RMS norm (Zhang and Sennrich 2019), with epsilon 1e-5; those of queries
// and keys are RMS norms of each head, one weight for all queries and one for all keys (Qwen3). GELU by the
// error function (Hendrycks and Gimpel 2016); gated activations as Shazeer 2020, the gate first. Rotary
// positions turn the pairs (i, i + d/2) of a head by token x 10000^(-2i/d) (Su et al. 2021). Dropout's mask
// is a function of the element's place in the model, so that shares and repetitions agree on it.
#pragma once

#include <span>
#include <vector>

#include "models/graph.hpp"
#include "study/numeric/matrix.hpp"

namespace orrery::study::numeric {

/// An operator of the model on one rank.
struct OperatorPlace {
    const models::Operator& op;
    OperatorId id;
    Share share;
    bool linear_biases = false;  ///< attention's scores fall with the distance (ALiBi, Press et al. 2022)
};

/// The operators from matrices to a matrix: learned positions, dropout, norms, linear, rotary, activation,
/// and residual. Of a linear the product alone; see add_bias.
Matrix forward(const OperatorPlace& at, const Weights& weights, const Rows& rows,
               std::span<const Matrix* const> inputs);
/// Of each input, given that of the output.
std::vector<Matrix> input_gradient(const OperatorPlace& at, const Weights& weights, const Rows& rows,
                                   std::span<const Matrix* const> inputs, const Matrix& gradient);
/// Adds to `sum`.
void add_weight_gradient(const OperatorPlace& at, const Rows& rows, std::span<const Matrix* const> inputs,
                         const Matrix& gradient, Weights& sum);
void add_bias(const Weights& weights, Matrix& output);

/// Words to rows of the table, of which the share holds some: words of other shares give zero.
Matrix look_up(const Weights& table, Share share, std::span<const std::int64_t> words);
void add_table_gradient(Share share, std::span<const std::int64_t> words, const Matrix& gradient,
                        Weights& sum);

/// Cross entropy over a vocabulary divided by columns: each row's maximum, logit of its target, and sum of
/// exponentials less the maximum. Of a share until all are combined.
struct LossStatistics {
    Matrix maximum;
    Matrix target;
    Matrix sum;
};
LossStatistics loss_statistics(const Matrix& logits, Share share, std::span<const std::int64_t> targets);
/// Summed over the rows.
double loss_of(const LossStatistics& statistics);
Matrix logits_gradient(const Matrix& logits, const LossStatistics& statistics, Share share,
                       std::span<const std::int64_t> targets, double scale);

/// 0, or what the elements that stay are multiplied by.
double dropout_factor(double probability, OperatorId id, std::int64_t sample, std::int64_t token,
                      std::int64_t element);

}  // namespace orrery::study::numeric
