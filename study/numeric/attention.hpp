// study/numeric/attention.hpp
//
// Core attention (Vaswani et al. 2017) with keys and values shared by groups of query heads (Ainslie et al.
// 2023), on the heads of a tensor-parallel rank. A row holds queries, keys and values of its token, in this
// order. The queries are those of one token slice; the keys those of all slices up to it.
#pragma once

#include <span>
#include <vector>

#include "study/numeric/operators.hpp"

namespace orrery::study::numeric {

/// A token slice's queries, keys and values.
struct PackedSlice {
    Rows rows;
    const Matrix* values = nullptr;
};

/// The output for the last slice. `probabilities` becomes what the backward needs: of each sequence and head.
Matrix attention_forward(const OperatorPlace& at, std::span<const PackedSlice> slices,
                         std::vector<Matrix>& probabilities);
/// Of each slice's queries, keys and values; of earlier slices keys and values alone are not zero.
std::vector<Matrix> attention_input_gradient(const OperatorPlace& at, std::span<const PackedSlice> slices,
                                             const std::vector<Matrix>& probabilities,
                                             const Matrix& gradient);

}  // namespace orrery::study::numeric
