#include "study/flops.hpp"

#include <algorithm>

namespace orrery::study {
namespace {

using models::Layer;
using models::LayerKind;
using models::OperatorKind;

/// Blocks whose whole forward is repeated.
double repeated_blocks(const models::Model& model, const parallel::Training& training,
                       const std::vector<std::vector<int>>& stage_layers) {
    double sum = 0;
    for (const std::vector<int>& nodes : stage_layers) {
        const auto blocks = std::count_if(
            nodes.begin(), nodes.end(), [&](int node) { return model.layer(node).kind == LayerKind::block; });
        const bool all = training.recompute_method == parallel::RecomputeMethod::uniform;
        sum +=
            static_cast<double>(all ? blocks : std::min<std::ptrdiff_t>(blocks, training.recompute_layers));
    }
    return sum;
}

double forward_of(const Layer& layer, std::int64_t seq) {
    double sum = 0;
    for (const models::Operator& op : layer.operators) sum += models::forward_flops(op, seq, false);
    return sum;
}

/// What selective recomputation repeats of a block: see models::SelectivePolicy.
double selectively_repeated(const Layer& layer, std::int64_t seq, models::SelectivePolicy policy) {
    double sum = 0;
    int products = 0;
    for (const models::Operator& op : layer.operators) {
        const bool attention = op.kind == OperatorKind::core_attention;
        const bool repeated = policy == models::SelectivePolicy::core_attention
                                  ? attention
                                  : op.kind == OperatorKind::linear && products++ % 2 == 1;
        if (repeated) sum += models::forward_flops(op, seq, false);
    }
    return sum;
}

}  // namespace

StepFlops step_flops(const models::Model& model, const parallel::Plan& plan, const models::Software& software,
                     const std::vector<std::vector<int>>& stage_layers) {
    const parallel::Training& training = plan.training;
    const std::int64_t seq = training.seq_length > 0 ? training.seq_length : model.shape.seq_length;
    const auto sequences = static_cast<double>(training.global_batch);
    StepFlops flops;
    flops.model = sequences * models::model_flops_per_sequence(model, seq, false);
    if (training.recompute == parallel::RecomputePolicy::none) return flops;

    const bool full = training.recompute == parallel::RecomputePolicy::full;
    for (const models::LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        if (layer.kind != LayerKind::block) continue;
        flops.recomputed +=
            full ? forward_of(layer, seq) : selectively_repeated(layer, seq, software.selective);
    }
    if (full) {
        flops.recomputed *= repeated_blocks(model, training, stage_layers) /
                            static_cast<double>(std::max<std::int64_t>(1, model.shape.layers));
    }
    flops.recomputed *= sequences;
    return flops;
}

}  // namespace orrery::study
