#include "parallel/layer_policy.hpp"

namespace orrery::parallel {
namespace {

bool is_block(const models::Model& model, int node) {
    return model.layer(node).kind == models::LayerKind::block;
}

/// By the plan's one policy: selective everywhere, or uniform units, or the first layers of each stage.
void apply_to_stage(const models::Model& model, const Training& training, const std::vector<int>& nodes,
                    std::vector<LayerPolicy>& policies) {
    int index = 0;
    int unit_begin = 0;
    int in_unit = 0;  // blocks of the unit so far
    int before = -1;
    for (const int node : nodes) {
        if (!is_block(model, node)) continue;
        LayerPolicy& policy = policies[static_cast<std::size_t>(node)];
        const bool uniform = training.recompute_method == RecomputeMethod::uniform;
        const bool repeated = uniform || index < training.recompute_layers;
        if (training.recompute != RecomputePolicy::full || repeated) policy.recompute = training.recompute;
        // A unit is a run of blocks: it ends with its tower.
        if (!uniform || in_unit == training.recompute_layers || before + 1 != node) in_unit = 0;
        if (in_unit++ == 0) unit_begin = node;
        policy.unit_begin = unit_begin;
        before = node;
        ++index;
    }
}

}  // namespace

std::vector<LayerPolicy> layer_policies(const models::Model& model, const Plan& plan,
                                        const std::vector<std::vector<int>>& stage_layers) {
    std::vector<LayerPolicy> policies(model.nodes.size());
    for (const std::vector<int>& nodes : stage_layers) apply_to_stage(model, plan.training, nodes, policies);
    std::size_t block = 0;
    for (std::size_t node = 0; node < policies.size(); ++node) {
        if (!is_block(model, static_cast<int>(node))) continue;
        LayerPolicy& policy = policies[node];
        if (!plan.layer_recompute.empty()) {
            policy.recompute = plan.layer_recompute[block];
            policy.unit_begin = static_cast<int>(node);
        }
        if (!plan.layer_offload.empty()) policy.offload = plan.layer_offload[block];
        ++block;
    }
    return policies;
}

}  // namespace orrery::parallel
