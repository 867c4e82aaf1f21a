// models/parameters.hpp
//
// How many parameters a transformer has, exactly, by part.
//
// With hidden size h, q = heads x head_dim, k = kv_heads x head_dim, feed-forward size f:
//   attention      h(q + 2k) + q h         biases q + 2k + h
//   feed-forward   2 h f, gated 3 h f      biases f + h, gated 2f + h
//   normalization  h, layer norm with bias 2h
//   latent attention (DeepSeek-V2, section 2.1): h q' + q' + q' heads (n + r), or h heads (n + r) without q';
//       h (c + r) + c + c heads (n + v) + heads v h, for ranks q' and c, dimensions n, r (rotary) and v
//   mixture of experts: experts x one feed-forward, shared experts, router h x experts
//   tower of words: V h + s h, of c x P x P pixels a patch: c P^2 h + s h + h (positions, class token); its
//       layers, its last norm, its projection to embeddings (h d, no bias) or to the trunk's width
//   cross attention of a decoder: as attention, with a norm of its own
// GPT with biases gives 12 l h^2 (1 + 13/(12h) + (V+s)/(12 l h)) (Narayanan et al. 2021, equation 2) plus the
// final layer norm.
#pragma once

#include <cstdint>

#include "models/transformer.hpp"

namespace orrery::models {

struct ParameterCount {
    std::int64_t embedding = 0;     ///< word embedding, V x h, with its normalization if any
    std::int64_t position = 0;      ///< learned positions, s x h; relative ones, buckets x heads a stack
    std::int64_t attention = 0;     ///< one layer's, norms of queries and keys included
    std::int64_t feed_forward = 0;  ///< of a dense layer
    std::int64_t norms = 0;         ///< one layer's two
    std::int64_t layers = 0;        ///< encoder and decoder together
    std::int64_t expert = 0;        ///< one routed expert
    std::int64_t experts = 0;       ///< routed experts of a layer
    std::int64_t top_k = 0;
    std::int64_t shared = 0;           ///< shared experts and router of a layer
    std::int64_t expert_layers = 0;    ///< layers with experts
    std::int64_t cross_attention = 0;  ///< of one decoder layer, its norm included
    std::int64_t cross_layers = 0;
    std::int64_t final_norm = 0;       ///< of encoder and decoder
    std::int64_t output = 0;           ///< output projection, 0 when tied to the embedding
    std::int64_t towers = 0;           ///< all of all towers, and what joins them
    std::int64_t predicted_ahead = 0;  ///< multi-token prediction modules, embedding and output shared

    [[nodiscard]] std::int64_t layer() const { return attention + feed_forward + norms; }
    [[nodiscard]] std::int64_t expert_layer() const { return attention + norms + shared + experts * expert; }
    /// Without the multi-token prediction modules, as publications count.
    [[nodiscard]] std::int64_t total() const {
        return embedding + position + (layers - expert_layers) * layer() + expert_layers * expert_layer() +
               cross_layers * cross_attention + final_norm + output + towers;
    }
    /// Those that one token meets: all but the experts it does not visit.
    [[nodiscard]] std::int64_t active() const { return total() - expert_layers * (experts - top_k) * expert; }
};

/// The shape must be complete, as models/zoo leaves it.
ParameterCount count_parameters(const TransformerShape& shape);

}  // namespace orrery::models
