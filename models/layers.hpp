// models/layers.hpp
//
// The layers that transformers are made of, as graphs of operators. models/graph.hpp strings them together.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "models/graph.hpp"

namespace orrery::models {

enum class Stack : std::uint8_t {
    decoder,        ///< causal self-attention: decoder-only models
    encoder,        ///< self-attention to both sides
    cross_decoder,  ///< causal self-attention, then attention to the encoder's output
};

struct BlockKind {
    Stack stack = Stack::decoder;
    bool experts = false;  ///< a mixture of experts instead of the feed-forward
};

Layer embedding_layer(const TransformerShape& shape);
Layer block_layer(const TransformerShape& shape, const BlockKind& kind);
Layer head_layer(const TransformerShape& shape);
/// Last norm of the encoder, embedding of the decoder's tokens.
Layer bridge_layer(const TransformerShape& shape);
/// A multi-token prediction module (DeepSeek-V3, section 2.2): hidden state and next token's embedding,
/// normalized and projected to one, a block, and a head of its own that shares the weights of the main one.
Layer prediction_layer(const TransformerShape& shape, const BlockKind& kind);

/// A layer while operators are added to it.
class LayerDraft {
  public:
    LayerDraft(const TransformerShape& model, LayerKind kind, std::string name)
        : shape(model), layer{kind, std::move(name), {}, model.hidden} {}

    /// Adds the operator, for `tokens` of the sequence; returns its index.
    int add(Operator op);
    int norm(const std::string& name, std::int64_t width, int input);
    int linear(const std::string& name, int input, std::int64_t in, std::int64_t out, Split split);
    int residual(const std::string& name, int input, int around);
    /// An operator on the queries, keys and values of the model's heads.
    [[nodiscard]] Operator with_heads(OperatorKind kind, const std::string& name, int input) const;

    const TransformerShape& shape;
    Layer layer;
    double tokens = 1;  ///< share of the sequence that what is added works on
};

/// Embedding of words; learned or relative positions, where the model has them; dropout, where it has it.
int add_token_embedding(LayerDraft& draft, bool tied);
int add_positions(LayerDraft& draft, int input);
void add_embedding_dropout(LayerDraft& draft, int input);

/// Self-attention with its norm and residual, reading `input`: returns the residual's index.
/// (models/attention_operators.cpp)
int add_attention(LayerDraft& draft, int input, bool causal);
/// Attention of the decoder's queries to keys and values of the encoder's output.
int add_cross_attention(LayerDraft& draft, int input);

/// Feed-forward with its norm and residual.
int add_feed_forward(LayerDraft& draft, int input);
/// The same with a mixture of experts. (models/expert_operators.cpp)
int add_experts(LayerDraft& draft, int input);

/// up, activation, down of a feed-forward of size `ffn`, named with `prefix`.
int add_gated_pair(LayerDraft& draft, int input, std::int64_t ffn, const std::string& prefix);

}  // namespace orrery::models
