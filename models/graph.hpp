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
};

/// How tensor parallelism may cut an operator (Megatron's names).
enum class Split : std::uint8_t {
    replicated,  ///< every rank of the group computes it (on its token share under sequence parallelism)
    column,      ///< output features divided
    row,         ///< input features divided
    heads,       ///< attention heads divided, and everything between a column and a row linear
    vocabulary,  ///< rows of the embedding table, columns of the output projection
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
    std::int64_t head_dim = 0;
    double dropout = 0;
    NormKind norm = NormKind::layer_norm;
    ActivationKind activation = ActivationKind::gelu;
    /// Weights shared with the token embedding (counted once per stage that holds both).
    bool tied = false;

    /// Parameters of the whole operator.
    [[nodiscard]] double parameters() const;
};

enum class LayerKind : std::uint8_t { embedding, block, head };

struct Layer {
    LayerKind kind = LayerKind::block;
    std::string name;
    std::vector<Operator> operators;

    [[nodiscard]] double parameters() const;
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

/// The chain embedding, `layers` blocks, head (final norm, output projection, loss) of a decoder-only
/// transformer.
Model build_transformer(const TransformerShape& shape);

/// Matrix-product FLOPs of the operator's forward on one sequence, 2 per multiply-add; the attention core in
/// full, or half of it where it is causal.
double forward_flops(const Operator& op, std::int64_t seq_length, bool causal_halved);

/// Model FLOPs of one sequence, forward and backward, without recomputation: three times the forward's matrix
/// products (2 per multiply-add). Attention scores count in full, as Megatron's formula does (Narayanan et
/// al. 2021, appendix), unless `causal_halved`.
double model_flops_per_sequence(const Model& model, std::int64_t seq_length, bool causal_halved);

/// The forward matrix-product FLOPs of the blocks alone (what full recomputation repeats), same conventions.
double block_forward_flops(const Model& model, std::int64_t seq_length, bool causal_halved);

}  // namespace orrery::models
