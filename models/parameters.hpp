// models/parameters.hpp
//
// How many parameters a transformer has, exactly, by part.
//
// With hidden size h, q = heads x head_dim, k = kv_heads x head_dim, feed-forward size f:
//   attention      h(q + 2k) + q h         biases q + 2k + h
//   feed-forward   2 h f, gated 3 h f      biases f + h, gated 2f + h
//   normalization  h, layer norm with bias 2h
// GPT with biases gives 12 l h^2 (1 + 13/(12h) + (V+s)/(12 l h)) (Narayanan et al. 2021, equation 2) plus the
// final layer norm.
#pragma once

#include <cstdint>

#include "models/transformer.hpp"

namespace orrery::models {

struct ParameterCount {
    std::int64_t embedding = 0;  ///< word embedding, V x h, with its normalization if any
    std::int64_t position = 0;   ///< learned positions, s x h
    std::int64_t attention = 0;  ///< one layer's
    std::int64_t feed_forward = 0;
    std::int64_t norms = 0;  ///< one layer's two
    std::int64_t layers = 0;
    std::int64_t final_norm = 0;
    std::int64_t output = 0;  ///< output projection, 0 when tied to the embedding

    [[nodiscard]] std::int64_t layer() const { return attention + feed_forward + norms; }
    [[nodiscard]] std::int64_t total() const {
        return embedding + position + layers * layer() + final_norm + output;
    }
};

/// The shape must be complete, as models/zoo leaves it.
ParameterCount count_parameters(const TransformerShape& shape);

}  // namespace orrery::models
