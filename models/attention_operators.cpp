// Attention as operators: grouped-query attention (Ainslie et al. 2023), multi-head latent attention
// (DeepSeek-V2, section 2.1), and a decoder's attention to the encoder (Vaswani et al. 2017).
#include "models/layers.hpp"

namespace orrery::models {
namespace {

int add_grouped_query(LayerDraft& draft, int at) {
    const TransformerShape& s = draft.shape;
    const std::int64_t width = (s.heads + 2 * s.kv_heads) * s.head_dim;
    at = draft.linear("qkv", at, s.hidden, width, Split::column);
    if (s.qk_norm) at = draft.add(draft.with_heads(OperatorKind::head_norm, "qk_norm", at));
    if (s.position == PositionKind::rotary)
        at = draft.add(draft.with_heads(OperatorKind::rotary, "rotary", at));
    return at;
}

/// Down-projections and their norms are computed by every tensor-parallel rank for its share of the tokens,
/// as Megatron-Core does; the up-projections are divided by heads.
int add_latent(LayerDraft& draft, int at) {
    const TransformerShape& s = draft.shape;
    const LatentAttention& a = s.latent;
    const std::int64_t query = s.heads * s.query_dim();
    int q = at;
    if (a.q_rank > 0) {
        q = draft.linear("q_down", at, s.hidden, a.q_rank, Split::replicated);
        q = draft.norm("q_norm", a.q_rank, q);
        q = draft.linear("q_up", q, a.q_rank, query, Split::column);
    } else {
        q = draft.linear("q", at, s.hidden, query, Split::column);
    }
    int kv = draft.linear("kv_down", at, s.hidden, a.kv_rank + a.rope_dim, Split::replicated);
    kv = draft.norm("kv_norm", a.kv_rank, kv);
    kv = draft.linear("kv_up", kv, a.kv_rank, s.heads * (a.nope_dim + a.value_dim), Split::column);
    // The rotated parts are joined to the others into whole queries and keys: all of them are copied.
    Operator rotary = draft.with_heads(OperatorKind::rotary, "rotary", q);
    rotary.inputs = {q, kv};
    return draft.add(std::move(rotary));
}

int add_core_and_output(LayerDraft& draft, Operator core, int residual, const std::string& name) {
    const TransformerShape& s = draft.shape;
    int at = draft.add(std::move(core));
    at = draft.linear(name + "_output", at, s.heads * s.value_dim(), s.hidden, Split::row);
    return draft.residual(name + "_residual", at, residual);
}

}  // namespace

int add_attention(LayerDraft& draft, int input, bool causal) {
    int at = draft.norm("input_norm", draft.shape.hidden, input);
    at =
        draft.shape.attention == AttentionKind::latent ? add_latent(draft, at) : add_grouped_query(draft, at);
    Operator core = draft.with_heads(OperatorKind::core_attention, "core_attention", at);
    core.causal = causal;
    core.key_share = draft.tokens;
    return add_core_and_output(draft, std::move(core), input, "attention");
}

int add_cross_attention(LayerDraft& draft, int input) {
    const TransformerShape& s = draft.shape;
    const int norm = draft.norm("cross_norm", s.hidden, input);
    const int q = draft.linear("cross_q", norm, s.hidden, s.heads * s.head_dim, Split::column);
    const double decoder = draft.tokens;
    draft.tokens = 1;  // keys and values of every token of the encoder
    const int kv = draft.linear("cross_kv", -1, s.hidden, 2 * s.kv_heads * s.head_dim, Split::column);
    draft.tokens = decoder;
    Operator core = draft.with_heads(OperatorKind::core_attention, "cross_attention", q);
    core.inputs = {q, kv};
    core.causal = false;
    return add_core_and_output(draft, std::move(core), input, "cross_attention");
}

}  // namespace orrery::models
