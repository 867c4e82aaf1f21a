// study/numeric/matrix.hpp
//
// What the numeric check computes with: matrices of a token a row, in double precision.
#pragma once

#include <Eigen/Dense>
#include <compare>
#include <cstdint>

namespace orrery::study::numeric {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Which tokens the rows of a matrix are: those of `batch` sequences, token by token, so that a run of tokens
/// of all sequences is a run of rows.
struct Rows {
    std::int64_t first_sample = 0;
    std::int64_t batch = 1;
    std::int64_t first_token = 0;
    std::int64_t tokens = 0;

    [[nodiscard]] std::int64_t count() const { return batch * tokens; }
    [[nodiscard]] std::int64_t sample(std::int64_t row) const { return first_sample + row % batch; }
    [[nodiscard]] std::int64_t token(std::int64_t row) const { return first_token + row / batch; }
    /// The `part`-th of so many equal runs of its tokens.
    [[nodiscard]] Rows part(int part, int parts) const {
        const std::int64_t length = tokens / parts;
        return {first_sample, batch, first_token + part * length, length};
    }
};

/// An operator's weights, or their gradients: of a linear out x in; of a norm and a bias one row; of an
/// embedding a row for each word or position.
struct Weights {
    Matrix weight;
    Matrix bias;  ///< empty: none
};

/// Where an operator stands in the model.
struct OperatorId {
    int node = 0;
    int op = 0;
    auto operator<=>(const OperatorId&) const = default;
};

/// Which rank of a tensor-parallel group computes a share.
struct Share {
    int ranks = 1;
    int rank = 0;
};

}  // namespace orrery::study::numeric
