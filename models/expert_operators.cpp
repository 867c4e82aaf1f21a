// A mixture of experts as operators, in the order of Megatron-Core's all-to-all dispatcher
// (megatron/core/transformer/moe/token_dispatcher.py): route, permute, [dispatch], sort by expert, the
// experts' feed-forward as grouped products, sort back, [combine], unpermute. Expert parallelism
// (parallel/expert/) adds what stands in brackets.
#include "models/layers.hpp"

namespace orrery::models {
namespace {

Operator routed(const LayerDraft& draft, OperatorKind kind, const std::string& name, int input) {
    Operator op{.kind = kind, .name = name, .inputs = {input}};
    op.in_features = op.out_features = draft.shape.hidden;
    op.experts = draft.shape.experts.count;
    op.top_k = draft.shape.experts.top_k;
    return op;
}

int add_expert_linear(LayerDraft& draft, const std::string& name, int input, std::int64_t in,
                      std::int64_t out, Split split) {
    Operator op = routed(draft, OperatorKind::expert_linear, name, input);
    op.split = split;
    op.in_features = in;
    op.out_features = out;
    op.bias = draft.shape.bias;
    return draft.add(std::move(op));
}

int add_expert_activation(LayerDraft& draft, int input, std::int64_t up, std::int64_t ffn) {
    Operator op = routed(draft, OperatorKind::activation, "expert_activation", input);
    op.split = Split::expert_column;
    op.in_features = up;
    op.out_features = ffn;
    op.activation = draft.shape.activation;
    op.bias = draft.shape.bias;
    return draft.add(std::move(op));
}

}  // namespace

int add_experts(LayerDraft& draft, int input) {
    const TransformerShape& s = draft.shape;
    const ExpertShape& e = s.experts;
    const int norm = draft.norm("mlp_norm", s.hidden, input);
    Operator router = routed(draft, OperatorKind::router, "router", norm);
    router.out_features = e.count;
    router.bias = e.router_bias;
    const int scores = draft.add(std::move(router));
    int shared = -1;
    if (e.shared > 0) shared = add_gated_pair(draft, norm, e.shared * e.ffn_hidden, "shared_expert");
    int at = draft.add(routed(draft, OperatorKind::permute, "permute", scores));
    draft.layer.operators.back().inputs = {norm, scores};
    at = draft.add(routed(draft, OperatorKind::expert_order, "sort_by_expert", at));
    const std::int64_t up = is_gated(s.activation) ? 2 * e.ffn_hidden : e.ffn_hidden;
    at = add_expert_linear(draft, "expert_up", at, s.hidden, up, Split::expert_column);
    at = add_expert_activation(draft, at, up, e.ffn_hidden);
    at = add_expert_linear(draft, "expert_down", at, e.ffn_hidden, s.hidden, Split::expert_row);
    at = draft.add(routed(draft, OperatorKind::expert_order, "sort_by_sender", at));
    at = draft.add(routed(draft, OperatorKind::unpermute, "unpermute", at));
    if (shared >= 0) {
        Operator sum{.kind = OperatorKind::dropout_add, .name = "shared_expert_add", .inputs = {at, shared}};
        sum.in_features = sum.out_features = s.hidden;
        at = draft.add(std::move(sum));
    }
    return draft.residual("mlp_residual", at, input);
}

}  // namespace orrery::models
