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
    const Kept what = what_is_kept(node, slice, stage_recomputed, begins_the_stage);
    if (what.all) return saved(node, micro_batch, slice);
    const double bytes = what.keys_and_values ? keys_and_values(node, slice) : 0;
    return what.input ? bytes + input_bytes(node, slice) : bytes;
}

Kept Activations::what_is_kept(int node, int slice, bool stage_recomputed, bool begins_the_stage) const {
    return {.node = node,
            .slice = slice,
            .all = !stage_recomputed && !recomputed(node),
            .input = stage_recomputed ? begins_the_stage : policy(node).unit_begin == node,
            .keys_and_values = slice + 1 < c_.slices(),
            .selective = selective(node)};
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
