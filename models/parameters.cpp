#include "models/parameters.hpp"

namespace orrery::models {
namespace {

std::int64_t attention_of(const TransformerShape& s) {
    const std::int64_t h = s.hidden;
    if (s.attention == AttentionKind::latent) {
        const LatentAttention& a = s.latent;
        const std::int64_t query = s.heads * (a.nope_dim + a.rope_dim);
        const std::int64_t queries = a.q_rank > 0 ? h * a.q_rank + a.q_rank + a.q_rank * query : h * query;
        const std::int64_t keys_and_values =
            h * (a.kv_rank + a.rope_dim) + a.kv_rank + a.kv_rank * s.heads * (a.nope_dim + a.value_dim);
        return queries + keys_and_values + s.heads * a.value_dim * h;
    }
    const std::int64_t q = s.heads * s.head_dim;
    const std::int64_t k = s.kv_heads * s.head_dim;
    return h * (q + 2 * k) + q * h + (s.bias ? q + 2 * k + h : 0) + (s.qk_norm ? 2 * s.head_dim : 0);
}

std::int64_t feed_forward_of(const TransformerShape& s, std::int64_t f) {
    const std::int64_t up = is_gated(s.activation) ? 2 : 1;
    return (up + 1) * s.hidden * f + (s.bias ? up * f + s.hidden : 0);
}

std::int64_t norm_of(const TransformerShape& s) {
    return s.norm == NormKind::layer_norm && s.bias ? 2 * s.hidden : s.hidden;
}

std::int64_t layer_of(const TransformerShape& s) {
    return attention_of(s) + feed_forward_of(s, s.ffn_hidden) + 2 * norm_of(s);
}

std::int64_t input_of(const TransformerShape& s) {
    const PatchInput& p = s.patches;
    const bool learned = s.position == PositionKind::learned;
    const std::int64_t positions = learned ? s.seq_length * s.hidden : 0;
    const std::int64_t norm = s.embedding_norm ? norm_of(s) : 0;
    if (p.image == 0) return s.vocab * s.hidden + positions + norm;
    return (p.channels * p.patch * p.patch + (p.bias ? 1 : 0) + (learned && p.class_token ? 1 : 0)) *
               s.hidden +
           positions + norm;
}

/// All towers and what joins them; the trunk apart.
std::int64_t towers_of(const TransformerShape& s) {
    const bool contrastive = s.fusion == FusionKind::contrastive;
    std::int64_t sum = contrastive ? 1 : 0;  // the similarities' scale
    std::int64_t features = 0;
    for (const TransformerShape& tower : s.towers) {
        sum += input_of(tower) + tower.layers * layer_of(tower) + norm_of(tower);
        features += tower.hidden;
        if (contrastive) sum += tower.hidden * s.embedding_width;
        if (s.fusion == FusionKind::concatenate && tower.hidden != s.hidden)
            sum += (tower.hidden + (tower.bias ? 1 : 0)) * s.hidden;
    }
    if (s.fusion == FusionKind::project) sum += (features + (s.bias ? 1 : 0)) * s.hidden;
    return sum;
}

/// A trunk has no embedding of its own; a contrastive model has no trunk.
ParameterCount count_with_towers(const TransformerShape& s) {
    ParameterCount count;
    count.towers = towers_of(s);
    count.layers = s.layers;
    if (s.fusion == FusionKind::contrastive) return count;
    count.attention = attention_of(s);
    count.feed_forward = feed_forward_of(s, s.ffn_hidden);
    count.norms = 2 * norm_of(s);
    count.final_norm = norm_of(s);
    count.output = s.vocab * s.hidden;
    return count;
}

}  // namespace

ParameterCount count_parameters(const TransformerShape& shape) {
    if (!shape.towers.empty()) return count_with_towers(shape);
    const std::int64_t h = shape.hidden;
    const bool norm_bias = shape.norm == NormKind::layer_norm && shape.bias;
    const std::int64_t norm = norm_bias ? 2 * h : h;
    const bool encoder_decoder = shape.encoder_layers > 0;
    const std::int64_t stacks = encoder_decoder ? 2 : 1;

    ParameterCount count;
    count.layers = shape.layers + shape.encoder_layers;
    count.embedding = shape.vocab * h + (shape.embedding_norm ? norm : 0);
    if (shape.position == PositionKind::learned) count.position = shape.seq_length * h;
    if (shape.position == PositionKind::relative)
        count.position = stacks * shape.relative_buckets * shape.heads;
    count.attention = attention_of(shape);
    count.feed_forward = feed_forward_of(shape, shape.ffn_hidden);
    count.norms = 2 * norm;
    if (encoder_decoder) {
        count.cross_attention = count.attention + norm;
        count.cross_layers = shape.layers;
    }
    const ExpertShape& e = shape.experts;
    if (e.count > 0) {
        count.expert = feed_forward_of(shape, e.ffn_hidden);
        count.experts = e.count;
        count.top_k = e.top_k;
        count.shared = (e.shared > 0 ? feed_forward_of(shape, e.shared * e.ffn_hidden) : 0) + h * e.count +
                       (e.router_bias ? e.count : 0);
        count.expert_layers = e.layers_of(shape.layers) + e.layers_of(shape.encoder_layers);
    }
    count.final_norm = stacks * norm;
    count.output = shape.tied_embeddings ? 0 : shape.vocab * h;
    // A module: norms of hidden state and embedding, their joint projection, a layer, a norm before the head.
    const std::int64_t last = e.at(shape.layers - 1) ? count.expert_layer() : count.layer();
    count.predicted_ahead = shape.predicted_ahead * (3 * norm + 2 * h * h + last);
    return count;
}

}  // namespace orrery::models
