// study/numeric/shares.hpp
//
// Which part of an operator's weights a rank of a tensor-parallel group holds (Shoeybi et al. 2019): of a
// column-split linear, rows of the matrix, of queries, keys and values each, and of a gate and what it gates;
// of a row-split one, columns; of vocabularies, words. And which part of what it holds is its own where data
// parallelism divides weights: of each matrix as many elements as any other rank, but for the last ones.
#pragma once

#include <utility>

#include "study/numeric/problem.hpp"

namespace orrery::study::numeric {

/// Of the whole weights, or of their gradients, the part that the rank holds.
Weights share_of(const Problem& problem, OperatorId id, const Weights& whole, Share share);

/// First element and number of elements.
std::pair<Eigen::Index, Eigen::Index> own_part(Eigen::Index elements, Share division);

}  // namespace orrery::study::numeric
