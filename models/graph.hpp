// models/graph.hpp
//
// A model is a graph of layers; a layer is a small graph of operators. A plain transformer is a chain;
// branches (U-shapes, multimodal towers) are edges. Operators say what is computed, unsharded;
// models/emit.hpp turns one into kernels for the share of it that a rank holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/transformer.hpp"

namespace orrery::models {

enum class OperatorKind : std::uint8_t {
    token_embedding,
    position_embedding,
    dropout,  ///< on its own (after the embeddings)
    norm,
    linear,
    rotary,
    core_attention,  ///< scores, mask, softmax, dropout, weighted sum
    activation,      ///< GELU, SwiGLU, ReLU
    dropout_add,     ///< bias, dropout, residual addition
    cross_entropy,
    head_norm,  ///< of queries and keys, head by head
    router,     ///< scores of all experts, softmax, top-k
    permute,  ///< a token's copies in the order of the experts that they visit; they leave the rank after it
    expert_order,      ///< copies that have arrived, sorted by expert, or back by sender
    expert_linear,     ///< the same linear in every expert: one grouped product
    unpermute,         ///< copies that have come back, weighted and added per token
    concatenate,       ///< several towers' outputs in one tensor
    pool,              ///< one token of each sequence
    contrastive_loss,  ///< of a micro-batch: its embeddings normalized; models/emit.hpp has the batch's part
};

/// How tensor parallelism may cut an operator (Megatron's names).
enum class Split : std::uint8_t {
    replicated,     ///< every rank of the group computes it (on its token share under sequence parallelism)
    column,         ///< output features divided
    row,            ///< input features divided
    heads,          ///< attention heads divided, and everything between a column and a row linear
    vocabulary,     ///< rows of the embedding table, columns of the output projection
    expert_column,  ///< as column, of the experts that a rank holds
    expert_row,
};

struct Operator {
    OperatorKind kind = OperatorKind::linear;
    Split split = Split::replicated;
    std::string name;
    /// Operators of the same layer whose outputs it reads; -1 is the layer's input.
    std::vector<int> inputs = {-1};

    std::int64_t in_features = 0;
    std::int64_t out_features = 0;
    bool bias = false;
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;   ///< of queries and keys
    std::int64_t value_dim = 0;  ///< of values
    bool causal = true;
    std::int64_t experts = 0;
    std::int64_t top_k = 0;
    /// Its tokens, as a fraction of the sequence; and the tokens its keys come from (a T5 decoder's).
    double token_share = 1;
    double key_share = 1;
    double dropout = 0;
    NormKind norm = NormKind::layer_norm;
    ActivationKind activation = ActivationKind::gelu;
    /// Weights shared with the token embedding (counted once per stage that holds both).
    bool tied = false;
    /// Weights shared with an operator of the same stage (a prediction module's head): never counted.
    bool shared = false;
    /// Its input is data (an image's patches): there is no gradient of it.
    bool reads_data = false;

    /// Parameters of the whole operator.
    [[nodiscard]] double parameters() const;
    /// Whether expert parallelism divides its parameters.
    [[nodiscard]] bool of_experts() const { return kind == OperatorKind::expert_linear; }
};

enum class LayerKind : std::uint8_t {
    embedding,
    block,
    head,
    bridge,      ///< from the encoder to the decoder: last norm of the one, embedding of the other
    projection,  ///< end of a tower: last norm, what the fusion needs of it
    fusion,      ///< the towers' outputs joined
    loss,        ///< of all samples of the batch together
};

struct Layer {
    LayerKind kind = LayerKind::block;
    std::string name;
    std::vector<Operator> operators;
    std::int64_t width = 0;   ///< features of each token that it hands on
    std::int64_t tokens = 0;  ///< of a sample, that it works on; 0: the plan's sequence
    bool pooled = false;      ///< it hands on one token of each sample, not all

    [[nodiscard]] double parameters() const;
    [[nodiscard]] bool has_experts() const;
    /// Tokens of a sample where the plan's sequence has so many.
    [[nodiscard]] std::int64_t tokens_of(std::int64_t seq_length) const {
        return tokens > 0 ? tokens : seq_length;
    }
};

/// One place in the graph: which layer type stands there and which nodes feed it.
struct LayerNode {
    int type = 0;             ///< index into Model::types
    std::vector<int> inputs;  ///< earlier nodes; empty: the model's input
};

struct Model {
    TransformerShape shape;
    std::vector<Layer> types;      ///< distinct layers, stored once
    std::vector<LayerNode> nodes;  ///< in topological order

    [[nodiscard]] const Layer& layer(int node) const {
        return types[static_cast<std::size_t>(nodes[static_cast<std::size_t>(node)].type)];
    }
    /// Total parameters, tied weights counted once.
    [[nodiscard]] double parameters() const;
};

/// The chain embedding, blocks, head (final norm, output projection, loss), then the multi-token prediction
/// modules. An encoder-decoder: embedding, the encoder's blocks, bridge, the decoder's blocks, head. Towers:
/// the graph of models/towers.hpp.
Model build_transformer(const TransformerShape& shape);

/// Matrix-product FLOPs of the operator's forward on one sequence, 2 per multiply-add; the attention core in
/// full, or half of it where it is causal; of the experts, those that a token visits.
double forward_flops(const Operator& op, std::int64_t seq_length, bool causal_halved);

/// Model FLOPs of one sequence, forward and backward, without recomputation: three times the forward's matrix
/// products (2 per multiply-add). Attention scores count in full, as Megatron's formula does (Narayanan et
/// al. 2021, appendix), unless `causal_halved`. The similarities of a contrastive loss, which grow with the
/// batch, are not counted.
double model_flops_per_sequence(const Model& model, std::int64_t seq_length, bool causal_halved);

/// The forward matrix-product FLOPs of the blocks alone (what full recomputation repeats), same conventions.
double block_forward_flops(const Model& model, std::int64_t seq_length, bool causal_halved);

}  // namespace orrery::models
