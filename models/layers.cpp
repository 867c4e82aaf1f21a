#include "models/layers.hpp"

namespace orrery::models {
namespace {

/// The share of the sequence that the decoder sees: 1 of decoder-only models.
double decoder_tokens(const TransformerShape& s) {
    if (s.encoder_layers == 0) return 1;
    return static_cast<double>(s.decoder_seq_length) / static_cast<double>(s.seq_length);
}

Operator& add_head(LayerDraft& draft, int input) {
    int at = draft.norm("final_norm", draft.shape.hidden, input);
    Operator projection{
        .kind = OperatorKind::linear, .split = Split::vocabulary, .name = "output_projection"};
    projection.inputs = {at};
    projection.in_features = draft.shape.hidden;
    projection.out_features = draft.shape.vocab;
    projection.tied = draft.shape.tied_embeddings;
    at = draft.add(std::move(projection));
    Operator loss{.kind = OperatorKind::cross_entropy, .split = Split::vocabulary, .name = "cross_entropy"};
    loss.inputs = {at};
    loss.in_features = draft.shape.vocab;
    draft.add(std::move(loss));
    return draft.layer.operators[static_cast<std::size_t>(at)];
}

int add_block(LayerDraft& draft, int input, const BlockKind& kind) {
    int at = add_attention(draft, input, kind.stack != Stack::encoder);
    if (kind.stack == Stack::cross_decoder) at = add_cross_attention(draft, at);
    return kind.experts ? add_experts(draft, at) : add_feed_forward(draft, at);
}

}  // namespace

int add_token_embedding(LayerDraft& draft, bool tied) {
    Operator token{
        .kind = OperatorKind::token_embedding, .split = Split::vocabulary, .name = "token_embedding"};
    token.in_features = draft.shape.vocab;
    token.out_features = draft.shape.hidden;
    token.tied = tied;
    return draft.add(std::move(token));
}

int add_positions(LayerDraft& draft, int input) {
    const TransformerShape& s = draft.shape;
    if (s.position != PositionKind::learned && s.position != PositionKind::relative) return input;
    Operator position{
        .kind = OperatorKind::position_embedding, .name = "position_embedding", .inputs = {input}};
    const bool learned = s.position == PositionKind::learned;
    position.in_features = learned ? s.seq_length : s.relative_buckets;
    position.out_features = learned ? s.hidden : s.heads;
    return draft.add(std::move(position));
}

void add_embedding_dropout(LayerDraft& draft, int input) {
    if (draft.shape.dropout <= 0) return;
    Operator drop{.kind = OperatorKind::dropout, .name = "embedding_dropout", .inputs = {input}};
    drop.in_features = drop.out_features = draft.shape.hidden;
    drop.dropout = draft.shape.dropout;
    draft.add(std::move(drop));
}

int LayerDraft::add(Operator op) {
    op.token_share = tokens;
    layer.operators.push_back(std::move(op));
    return static_cast<int>(layer.operators.size()) - 1;
}

int LayerDraft::norm(const std::string& name, std::int64_t width, int input) {
    Operator op{.kind = OperatorKind::norm, .name = name, .inputs = {input}};
    op.in_features = op.out_features = width;
    op.bias = shape.bias;
    op.norm = shape.norm;
    return add(std::move(op));
}

int LayerDraft::linear(const std::string& name, int input, std::int64_t in, std::int64_t out, Split split) {
    Operator op{.kind = OperatorKind::linear, .split = split, .name = name, .inputs = {input}};
    op.in_features = in;
    op.out_features = out;
    op.bias = shape.bias;
    return add(std::move(op));
}

int LayerDraft::residual(const std::string& name, int input, int around) {
    Operator op{.kind = OperatorKind::dropout_add, .name = name, .inputs = {input, around}};
    op.in_features = op.out_features = shape.hidden;
    op.dropout = shape.dropout;
    return add(std::move(op));
}

Operator LayerDraft::with_heads(OperatorKind kind, const std::string& name, int input) const {
    Operator op{.kind = kind, .split = Split::heads, .name = name, .inputs = {input}};
    op.heads = shape.heads;
    op.kv_heads = shape.attention == AttentionKind::latent ? shape.heads : shape.kv_heads;
    op.head_dim = shape.query_dim();
    op.value_dim = shape.value_dim();
    op.in_features = (op.heads + op.kv_heads) * op.head_dim + op.kv_heads * op.value_dim;
    op.out_features = op.heads * op.value_dim;
    op.dropout = shape.dropout;
    return op;
}

int add_gated_pair(LayerDraft& draft, int input, std::int64_t ffn, const std::string& prefix) {
    const TransformerShape& s = draft.shape;
    const std::int64_t up = is_gated(s.activation) ? 2 * ffn : ffn;
    int at = draft.linear(prefix + "_up", input, s.hidden, up, Split::column);
    Operator activation{.kind = OperatorKind::activation, .split = Split::heads, .name = "activation"};
    activation.inputs = {at};
    activation.in_features = up;
    activation.out_features = ffn;
    activation.activation = s.activation;
    activation.bias = s.bias;
    at = draft.add(std::move(activation));
    return draft.linear(prefix + "_down", at, ffn, s.hidden, Split::row);
}

int add_feed_forward(LayerDraft& draft, int input) {
    const int at = draft.norm("mlp_norm", draft.shape.hidden, input);
    return draft.residual("mlp_residual", add_gated_pair(draft, at, draft.shape.ffn_hidden, "mlp"), input);
}

Layer embedding_layer(const TransformerShape& shape) {
    LayerDraft draft(shape, LayerKind::embedding, "embedding");
    add_embedding_dropout(draft, add_positions(draft, add_token_embedding(draft, false)));
    return std::move(draft.layer);
}

Layer bridge_layer(const TransformerShape& shape) {
    LayerDraft draft(shape, LayerKind::bridge, "bridge");
    draft.norm("encoder_norm", shape.hidden, -1);
    draft.tokens = decoder_tokens(shape);
    add_embedding_dropout(draft, add_positions(draft, add_token_embedding(draft, true)));
    return std::move(draft.layer);
}

Layer block_layer(const TransformerShape& shape, const BlockKind& kind) {
    std::string name = "block";
    if (kind.stack == Stack::encoder) name = "encoder block";
    if (kind.stack == Stack::cross_decoder) name = "decoder block";
    if (kind.experts) name += " with experts";
    LayerDraft draft(shape, LayerKind::block, name);
    if (kind.stack == Stack::cross_decoder) draft.tokens = decoder_tokens(shape);
    add_block(draft, -1, kind);
    return std::move(draft.layer);
}

Layer head_layer(const TransformerShape& shape) {
    LayerDraft draft(shape, LayerKind::head, "head");
    draft.tokens = decoder_tokens(shape);
    add_head(draft, -1);
    return std::move(draft.layer);
}

Layer prediction_layer(const TransformerShape& shape, const BlockKind& kind) {
    LayerDraft draft(shape, LayerKind::head, "multi-token prediction");
    const std::int64_t h = shape.hidden;
    const int word = draft.norm("embedding_norm", h, add_token_embedding(draft, true));
    const int hidden = draft.norm("hidden_norm", h, -1);
    const int joint = draft.linear("joint_projection", hidden, 2 * h, h, Split::replicated);
    draft.layer.operators.back().inputs = {hidden, word};
    add_head(draft, add_block(draft, joint, kind)).shared = true;
    return std::move(draft.layer);
}

}  // namespace orrery::models
