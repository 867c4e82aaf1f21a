#include "models/graph.hpp"

namespace orrery::models {

double Operator::parameters() const {
    switch (kind) {
        case OperatorKind::token_embedding:
        case OperatorKind::position_embedding:
            return static_cast<double>(in_features) * static_cast<double>(out_features);
        case OperatorKind::norm:
            return static_cast<double>(in_features) * (norm == NormKind::layer_norm && bias ? 2 : 1);
        case OperatorKind::linear:
            return static_cast<double>(in_features) * static_cast<double>(out_features) +
                   (bias ? static_cast<double>(out_features) : 0);
        default:
            return 0;
    }
}

double Layer::parameters() const {
    double sum = 0;
    for (const Operator& op : operators) sum += op.parameters();
    return sum;
}

double Model::parameters() const {
    double sum = 0;
    for (const LayerNode& node : nodes) {
        const Layer& here = types[static_cast<std::size_t>(node.type)];
        for (const Operator& op : here.operators) {
            if (!op.tied) sum += op.parameters();
        }
    }
    return sum;
}

namespace {

Operator norm_of(const TransformerShape& s, const std::string& name, std::vector<int> inputs) {
    Operator op{.kind = OperatorKind::norm, .name = name, .inputs = std::move(inputs)};
    op.in_features = op.out_features = s.hidden;
    op.bias = s.bias;
    op.norm = s.norm;
    return op;
}

Operator linear(const TransformerShape& s, const std::string& name, int input, std::int64_t in,
                std::int64_t out, Split split) {
    Operator op{.kind = OperatorKind::linear, .split = split, .name = name, .inputs = {input}};
    op.in_features = in;
    op.out_features = out;
    op.bias = s.bias;
    return op;
}

Operator dropout_add(const TransformerShape& s, const std::string& name, int input, int residual) {
    Operator op{.kind = OperatorKind::dropout_add, .name = name, .inputs = {input, residual}};
    op.in_features = op.out_features = s.hidden;
    op.dropout = s.dropout;
    return op;
}

Operator with_heads(const TransformerShape& s, OperatorKind kind, const std::string& name, int input) {
    Operator op{.kind = kind, .split = Split::heads, .name = name, .inputs = {input}};
    op.heads = s.heads;
    op.kv_heads = s.kv_heads;
    op.head_dim = s.head_dim;
    op.in_features = (s.heads + 2 * s.kv_heads) * s.head_dim;
    op.out_features = s.heads * s.head_dim;
    op.dropout = s.dropout;
    return op;
}

Layer block(const TransformerShape& s) {
    Layer layer{LayerKind::block, "block", {}};
    auto add = [&](Operator op) {
        layer.operators.push_back(std::move(op));
        return static_cast<int>(layer.operators.size()) - 1;
    };
    const std::int64_t attention_width = s.heads * s.head_dim;
    int at = add(norm_of(s, "input_norm", {-1}));
    at = add(linear(s, "qkv", at, s.hidden, attention_width + 2 * s.kv_heads * s.head_dim, Split::column));
    if (s.position == PositionKind::rotary) at = add(with_heads(s, OperatorKind::rotary, "rotary", at));
    at = add(with_heads(s, OperatorKind::core_attention, "core_attention", at));
    at = add(linear(s, "attention_output", at, attention_width, s.hidden, Split::row));
    const int residual = add(dropout_add(s, "attention_residual", at, -1));
    at = add(norm_of(s, "mlp_norm", {residual}));
    const bool gated = s.activation == ActivationKind::swiglu;
    at = add(linear(s, "mlp_up", at, s.hidden, gated ? 2 * s.ffn_hidden : s.ffn_hidden, Split::column));
    Operator activation{
        .kind = OperatorKind::activation, .split = Split::heads, .name = "activation", .inputs = {at}};
    activation.in_features = gated ? 2 * s.ffn_hidden : s.ffn_hidden;
    activation.out_features = s.ffn_hidden;
    activation.activation = s.activation;
    activation.bias = s.bias;
    at = add(std::move(activation));
    at = add(linear(s, "mlp_down", at, s.ffn_hidden, s.hidden, Split::row));
    add(dropout_add(s, "mlp_residual", at, residual));
    return layer;
}

Layer embedding(const TransformerShape& s) {
    Layer layer{LayerKind::embedding, "embedding", {}};
    Operator token{
        .kind = OperatorKind::token_embedding, .split = Split::vocabulary, .name = "token_embedding"};
    token.in_features = s.vocab;
    token.out_features = s.hidden;
    layer.operators.push_back(token);
    if (s.position == PositionKind::learned) {
        Operator position{
            .kind = OperatorKind::position_embedding, .name = "position_embedding", .inputs = {0}};
        position.in_features = s.seq_length;
        position.out_features = s.hidden;
        layer.operators.push_back(position);
    }
    if (s.dropout > 0) {
        Operator drop{.kind = OperatorKind::dropout,
                      .name = "embedding_dropout",
                      .inputs = {static_cast<int>(layer.operators.size()) - 1}};
        drop.in_features = drop.out_features = s.hidden;
        drop.dropout = s.dropout;
        layer.operators.push_back(drop);
    }
    return layer;
}

Layer head(const TransformerShape& s) {
    Layer layer{LayerKind::head, "head", {norm_of(s, "final_norm", {-1})}};
    Operator projection = linear(s, "output_projection", 0, s.hidden, s.vocab, Split::vocabulary);
    projection.bias = false;
    projection.tied = s.tied_embeddings;
    layer.operators.push_back(projection);
    Operator loss{.kind = OperatorKind::cross_entropy,
                  .split = Split::vocabulary,
                  .name = "cross_entropy",
                  .inputs = {1}};
    loss.in_features = s.vocab;
    layer.operators.push_back(loss);
    return layer;
}

}  // namespace

double forward_flops(const Operator& op, std::int64_t seq_length, bool causal_halved) {
    const auto seq = static_cast<double>(seq_length);
    if (op.kind == OperatorKind::linear) {
        return 2 * seq * static_cast<double>(op.in_features) * static_cast<double>(op.out_features);
    }
    if (op.kind == OperatorKind::core_attention) {
        const double full = 4 * seq * seq * static_cast<double>(op.heads) * static_cast<double>(op.head_dim);
        return causal_halved ? full / 2 : full;
    }
    return 0;
}

Model build_transformer(const TransformerShape& shape) {
    Model model{shape, {embedding(shape), block(shape), head(shape)}, {}};
    model.nodes.push_back({0, {}});
    for (std::int64_t i = 0; i < shape.layers; ++i) model.nodes.push_back({1, {static_cast<int>(i)}});
    model.nodes.push_back({2, {static_cast<int>(shape.layers)}});
    return model;
}

double block_forward_flops(const Model& model, std::int64_t seq_length, bool causal_halved) {
    double sum = 0;
    for (const LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        if (layer.kind != LayerKind::block) continue;
        for (const Operator& op : layer.operators) sum += forward_flops(op, seq_length, causal_halved);
    }
    return sum;
}

double model_flops_per_sequence(const Model& model, std::int64_t seq_length, bool causal_halved) {
    double sum = 0;
    for (const LayerNode& node : model.nodes) {
        for (const Operator& op : model.types[static_cast<std::size_t>(node.type)].operators) {
            sum += forward_flops(op, seq_length, causal_halved);
        }
    }
    return 3 * sum;
}

}  // namespace orrery::models
