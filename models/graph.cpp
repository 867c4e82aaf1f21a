#include "models/graph.hpp"

#include <algorithm>
#include <cmath>

#include "models/layers.hpp"
#include "models/towers.hpp"

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
        case OperatorKind::head_norm:
            return 2 * static_cast<double>(head_dim);
        case OperatorKind::router:
            return static_cast<double>(in_features * experts) + (bias ? static_cast<double>(experts) : 0);
        case OperatorKind::expert_linear:
            return static_cast<double>(experts) *
                   (static_cast<double>(in_features) * static_cast<double>(out_features) +
                    (bias ? static_cast<double>(out_features) : 0));
        case OperatorKind::contrastive_loss:
            return 1;  // the scale of the similarities
        default:
            return 0;
    }
}

double Layer::parameters() const {
    double sum = 0;
    for (const Operator& op : operators) sum += op.parameters();
    return sum;
}

bool Layer::has_experts() const {
    return std::ranges::any_of(operators, [](const Operator& op) { return op.of_experts(); });
}

double Model::parameters() const {
    double sum = 0;
    for (const LayerNode& node : nodes) {
        const Layer& here = types[static_cast<std::size_t>(node.type)];
        for (const Operator& op : here.operators) {
            if (!op.tied && !op.shared) sum += op.parameters();
        }
    }
    return sum;
}

double forward_flops(const Operator& op, std::int64_t seq_length, bool causal_halved) {
    const double seq = std::round(static_cast<double>(seq_length) * op.token_share);
    const auto in = static_cast<double>(op.in_features);
    const auto out = static_cast<double>(op.out_features);
    switch (op.kind) {
        case OperatorKind::linear:
            return 2 * seq * in * out;
        case OperatorKind::router:
            return 2 * seq * in * static_cast<double>(op.experts);
        case OperatorKind::expert_linear:
            return 2 * seq * static_cast<double>(op.top_k) * in * out;
        case OperatorKind::core_attention: {
            const double keys = std::round(static_cast<double>(seq_length) * op.key_share);
            const double full = 2 * seq * keys * static_cast<double>(op.heads) *
                                static_cast<double>(op.head_dim + op.value_dim);
            return causal_halved && op.causal ? full / 2 : full;
        }
        default:
            return 0;
    }
}

int GraphDraft::add(Layer layer, std::vector<int> inputs) {
    const auto same = std::ranges::find(model_.types, layer.name, &Layer::name);
    const auto type = static_cast<int>(same - model_.types.begin());
    if (same == model_.types.end()) model_.types.push_back(std::move(layer));
    model_.nodes.push_back({type, std::move(inputs)});
    return static_cast<int>(model_.nodes.size()) - 1;
}

int GraphDraft::add(Layer layer) {
    const auto last = static_cast<int>(model_.nodes.size()) - 1;
    return add(std::move(layer), last < 0 ? std::vector<int>{} : std::vector<int>{last});
}

Model build_transformer(const TransformerShape& shape) {
    Model model{shape, {}, {}};
    GraphDraft chain(model);
    if (!shape.towers.empty()) {
        add_towers(chain, shape);
        return model;
    }
    chain.add(embedding_layer(shape));
    for (std::int64_t i = 0; i < shape.encoder_layers; ++i) {
        chain.add(block_layer(shape, {Stack::encoder, shape.experts.at(i)}));
    }
    if (shape.encoder_layers > 0) chain.add(bridge_layer(shape));
    Stack stack = shape.causal ? Stack::decoder : Stack::encoder;
    if (shape.encoder_layers > 0) stack = Stack::cross_decoder;
    for (std::int64_t i = 0; i < shape.layers; ++i) {
        chain.add(block_layer(shape, {stack, shape.experts.at(i)}));
    }
    chain.add(head_layer(shape));
    for (std::int64_t i = 0; i < shape.predicted_ahead; ++i) {
        chain.add(prediction_layer(shape, {stack, shape.experts.at(shape.layers - 1)}));
    }
    return model;
}

double block_forward_flops(const Model& model, std::int64_t seq_length, bool causal_halved) {
    double sum = 0;
    for (const LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        if (layer.kind != LayerKind::block) continue;
        for (const Operator& op : layer.operators)
            sum += forward_flops(op, layer.tokens_of(seq_length), causal_halved);
    }
    return sum;
}

double model_flops_per_sequence(const Model& model, std::int64_t seq_length, bool causal_halved) {
    double sum = 0;
    for (const LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        for (const Operator& op : layer.operators)
            sum += forward_flops(op, layer.tokens_of(seq_length), causal_halved);
    }
    return 3 * sum;
}

}  // namespace orrery::models
