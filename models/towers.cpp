#include "models/towers.hpp"

#include <utility>

#include "models/layers.hpp"

namespace orrery::models {
namespace {

/// Patches projected to tokens; a class token and positions are looked up.
int add_patches(LayerDraft& draft) {
    const PatchInput& input = draft.shape.patches;
    const auto all = static_cast<double>(input.tokens());
    draft.tokens = input.class_token ? (all - 1) / all : 1;
    const int at = draft.linear("patch_embedding", -1, input.channels * input.patch * input.patch,
                                draft.shape.hidden, Split::replicated);
    Operator& patches = draft.layer.operators.back();
    patches.bias = input.bias;
    patches.reads_data = true;
    draft.tokens = 1;
    const int placed = add_positions(draft, at);
    // The class token is one row more, beside the positions' table.
    if (placed != at && input.class_token) ++draft.layer.operators.back().in_features;
    return placed;
}

Layer tower_embedding(const TransformerShape& tower) {
    LayerDraft draft(tower, LayerKind::embedding, tower.name + " embedding");
    draft.layer.tokens = tower.seq_length;
    int at = tower.patches.image > 0 ? add_patches(draft)
                                     : add_positions(draft, add_token_embedding(draft, false));
    if (tower.embedding_norm) at = draft.norm("embedding_norm", tower.hidden, at);
    add_embedding_dropout(draft, at);
    return std::move(draft.layer);
}

Layer block_of(const TransformerShape& shape, const std::string& prefix) {
    Layer layer = block_layer(shape, {shape.causal ? Stack::decoder : Stack::encoder, false});
    layer.name = prefix + "block";
    layer.tokens = shape.seq_length;
    return layer;
}

/// One token of each sequence; `tokens` of the draft is its share from then on.
int add_pool(LayerDraft& draft, int input) {
    Operator pool{.kind = OperatorKind::pool, .name = "pool", .inputs = {input}};
    pool.in_features = pool.out_features = draft.shape.hidden;
    const int at = draft.add(std::move(pool));
    draft.tokens = 1 / static_cast<double>(draft.shape.seq_length);
    return at;
}

/// The last norm, and what the fusion needs: one embedding a sample, or tokens of the trunk's width.
Layer tower_projection(const TransformerShape& model, const TransformerShape& tower) {
    LayerDraft draft(tower, LayerKind::projection, tower.name + " projection");
    draft.layer.tokens = tower.seq_length;
    if (model.fusion == FusionKind::contrastive) {
        // CLIP normalizes an image's class token alone, and all tokens of a text.
        const bool early = tower.patches.image > 0;
        int at = early ? add_pool(draft, -1) : -1;
        at = draft.norm("final_norm", tower.hidden, at);
        if (!early) at = add_pool(draft, at);
        draft.linear("projection", at, tower.hidden, model.embedding_width, Split::replicated);
        draft.layer.operators.back().bias = false;
        draft.layer.width = model.embedding_width;
        draft.layer.pooled = true;
        return std::move(draft.layer);
    }
    const int at = draft.norm("final_norm", tower.hidden, -1);
    if (model.fusion == FusionKind::concatenate && tower.hidden != model.hidden) {
        draft.linear("projection", at, tower.hidden, model.hidden, Split::replicated);
        draft.layer.width = model.hidden;
    }
    return std::move(draft.layer);
}

Layer fusion_layer(const TransformerShape& model) {
    LayerDraft draft(model, LayerKind::fusion, "fusion");
    draft.layer.tokens = model.seq_length;
    std::int64_t features = 0;
    for (const TransformerShape& tower : model.towers) features += tower.hidden;
    const bool project = model.fusion == FusionKind::project;
    Operator joined{.kind = OperatorKind::concatenate, .name = "concatenate"};
    joined.in_features = joined.out_features = project ? features : model.hidden;
    const int at = draft.add(std::move(joined));
    if (project) draft.linear("projection", at, features, model.hidden, Split::replicated);
    return std::move(draft.layer);
}

Layer loss_layer(const TransformerShape& model) {
    LayerDraft draft(model, LayerKind::loss, "contrastive loss");
    draft.layer.tokens = 1;
    draft.layer.width = model.embedding_width;
    Operator loss{.kind = OperatorKind::contrastive_loss, .name = "contrastive_loss"};
    loss.in_features = static_cast<std::int64_t>(model.towers.size()) * model.embedding_width;
    loss.out_features = model.embedding_width;
    draft.add(std::move(loss));
    return std::move(draft.layer);
}

}  // namespace

void add_towers(GraphDraft& draft, const TransformerShape& shape) {
    std::vector<int> ends;
    for (const TransformerShape& tower : shape.towers) {
        draft.add(tower_embedding(tower), {});
        for (std::int64_t i = 0; i < tower.layers; ++i) draft.add(block_of(tower, tower.name + " "));
        ends.push_back(draft.add(tower_projection(shape, tower)));
    }
    if (shape.fusion == FusionKind::contrastive) {
        draft.add(loss_layer(shape), ends);
        return;
    }
    draft.add(fusion_layer(shape), ends);
    for (std::int64_t i = 0; i < shape.layers; ++i) draft.add(block_of(shape, ""));
    Layer head = head_layer(shape);
    head.tokens = shape.seq_length;
    draft.add(std::move(head));
}

}  // namespace orrery::models
