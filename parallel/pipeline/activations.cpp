#include "parallel/pipeline/activations.hpp"

#include "models/emit.hpp"

namespace orrery::parallel {

double Activations::saved(int node, int micro_batch, int slice) {
    const int type = c_.model.nodes[static_cast<std::size_t>(node)].type;
    const int draw = c_.draw_of(node, micro_batch);
    const auto [it, fresh] = saved_.try_emplace({type, draw, slice, selective(node)}, 0.0);
    if (fresh) {
        const models::LocalShape shape = c_.shape_of(node, draw, slice);
        for (const models::Operator& op : c_.model.layer(node).operators)
            it->second += models::saved_activation_bytes(op, shape, c_.software, selective(node));
    }
    return it->second;
}

double Activations::kept(int node, int micro_batch, int slice, bool stage_recomputed, bool begins_the_stage) {
    const bool drops = stage_recomputed || recomputed(node);
    if (!drops) return saved(node, micro_batch, slice);
    const bool begins = stage_recomputed ? begins_the_stage : policy(node).unit_begin == node;
    const bool cached = slice + 1 < c_.slices();
    const double bytes = cached ? keys_and_values(node, slice) : 0;
    return begins ? bytes + input_bytes(node, slice) : bytes;
}

double Activations::keys_and_values(int node, int slice) const {
    double bytes = 0;
    for (const models::Operator& op : c_.model.layer(node).operators)
        bytes += models::key_value_bytes(op, c_.shape_of(node, 0, slice));
    return bytes;
}

double Activations::input_bytes(int node, int slice) const {
    const models::LocalShape shape = c_.shape_of(node, 0, slice);
    const std::vector<int>& inputs = c_.model.nodes[static_cast<std::size_t>(node)].inputs;
    if (inputs.empty())  // words, or the pixels of patches
        return models::saved_activation_bytes(c_.model.layer(node).operators.front(), shape, c_.software,
                                              false);
    double bytes = 0;
    for (const int input : inputs) bytes += c_.output_bytes(input, slice);
    return shape.sequence_parallel ? bytes / shape.tp : bytes;
}

}  // namespace orrery::parallel
