// The keys of a model's map, of a tower's, and of the maps inside them.
#include <algorithm>
#include <array>
#include <string_view>

#include "models/zoo.hpp"

namespace orrery::models {
namespace {

constexpr double most_layers = 1e5;
constexpr double most_hidden = 1e6;

schema::Table<LatentAttention> make_latent_table() {
    using Field = schema::Field<LatentAttention>;
    using A = LatentAttention;
    return {"latent_attention",
            "Multi-head latent attention (DeepSeek-V2).",
            {Field::integer("q_rank", &A::q_rank)
                 .at_least(0)
                 .at_most(most_hidden)
                 .describe("Size of the queries' latent; 0: none."),
             Field::integer("kv_rank", &A::kv_rank)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required")
                 .describe("Size of the keys' and values' latent."),
             Field::integer("nope_dim", &A::nope_dim)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required")
                 .describe("Size of a query or key head without position."),
             Field::integer("rope_dim", &A::rope_dim)
                 .at_least(0)
                 .at_most(most_hidden)
                 .describe("And of its part with rotary position."),
             Field::integer("value_dim", &A::value_dim)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required")
                 .describe("Size of a value head.")}};
}

schema::Table<ExpertShape> make_expert_table() {
    using Field = schema::Field<ExpertShape>;
    using E = ExpertShape;
    return {"experts",
            "A mixture of experts in place of the feed-forward.",
            {Field::integer("count", &E::count)
                 .at_least(1)
                 .at_most(most_layers)
                 .otherwise("required")
                 .describe("Routed experts of a layer."),
             Field::integer("top_k", &E::top_k)
                 .at_least(1)
                 .at_most(most_layers)
                 .describe("Experts that a token visits."),
             Field::integer("ffn_hidden", &E::ffn_hidden)
                 .at_least(1)
                 .at_most(10 * most_hidden)
                 .otherwise("the model's ffn_hidden")
                 .describe("Feed-forward size of one expert."),
             Field::integer("shared", &E::shared)
                 .at_least(0)
                 .at_most(most_layers)
                 .describe("Experts that every token visits besides."),
             Field::integer("first_dense", &E::first_dense)
                 .at_least(0)
                 .at_most(most_layers)
                 .describe("Layers at the start that keep the dense feed-forward."),
             Field::integer("every", &E::every)
                 .at_least(1)
                 .at_most(most_layers)
                 .describe("Of the others, every n-th layer has experts."),
             Field::boolean("router_bias", &E::router_bias)
                 .describe("A number for each expert that balances the choice (DeepSeek-V3)."),
             Field::integer("groups", &E::groups)
                 .at_least(1)
                 .at_most(most_layers)
                 .describe("Groups of experts, one a node where the routing is node-limited."),
             Field::integer("top_groups", &E::top_groups)
                 .at_least(1)
                 .at_most(most_layers)
                 .describe("Groups that a token may visit."),
             Field::number("capacity_factor", &E::capacity_factor)
                 .at_least(0)
                 .at_most(1e6)
                 .describe("Tokens an expert takes at most, in equal shares; 0: all.")}};
}

schema::Table<PatchInput> make_patch_table() {
    using Field = schema::Field<PatchInput>;
    using P = PatchInput;
    return {"patches",
            "An image cut into square patches.",
            {Field::integer("image", &P::image)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required")
                 .describe("Pixels of the image's side."),
             Field::integer("patch", &P::patch)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required")
                 .describe("Pixels of a patch's side."),
             Field::integer("channels", &P::channels).at_least(1).at_most(1e4).describe("Colours."),
             Field::boolean("class_token", &P::class_token).describe("A learned token before the patches."),
             Field::boolean("bias", &P::bias).describe("Of the patches' projection.")}};
}

schema::Table<TransformerShape> make_table() {
    using Field = schema::Field<TransformerShape>;
    using S = TransformerShape;
    static const auto latent = make_latent_table();
    static const auto experts = make_expert_table();
    return {
        "model",
        "The shape of a transformer.",
        {Field::custom(
             "base", schema::shape_from_json(R"({"type": "string"})"),
             [](S&, const yaml::Node& node, const schema::FieldInfo& field, const schema::Scope& scope) {
                 schema::read_text(node, field, scope);  // followed before this table is read
             })
             .describe("A model of the zoo, or a file, to start from."),
         Field::text("name", &S::name).describe("Its name in reports."),
         Field::choice("family", &S::family, {{"gpt", "gpt"}, {"llama", "llama"}, {"t5", "t5"}})
             .describe("Sets the defaults of the other keys."),
         Field::integer("layers", &S::layers)
             .at_least(1)
             .at_most(most_layers)
             .otherwise("required, unless of the base")
             .describe("Transformer layers; of the decoder, where there is an encoder."),
         Field::integer("encoder_layers", &S::encoder_layers)
             .at_least(0)
             .at_most(most_layers)
             .otherwise("t5: as many as layers; others: none")
             .describe("Layers of the encoder."),
         Field::integer("hidden", &S::hidden)
             .at_least(1)
             .at_most(most_hidden)
             .otherwise("required, unless of the base")
             .describe("Hidden size."),
         Field::integer("ffn_hidden", &S::ffn_hidden)
             .at_least(1)
             .at_most(10 * most_hidden)
             .otherwise("gpt: 4 x hidden; others: required")
             .describe("Feed-forward size."),
         Field::integer("heads", &S::heads)
             .at_least(1)
             .at_most(most_layers)
             .otherwise("required, unless of the base")
             .describe("Query heads."),
         Field::integer("kv_heads", &S::kv_heads)
             .at_least(1)
             .at_most(most_layers)
             .otherwise("as many as heads")
             .describe("Key and value heads (grouped-query attention)."),
         Field::integer("head_dim", &S::head_dim)
             .at_least(1)
             .at_most(most_hidden)
             .otherwise("hidden / heads")
             .describe("Size of a head."),
         Field::table("latent_attention", &S::latent, latent)
             .describe("Multi-head latent attention instead."),
         Field::boolean("qk_norm", &S::qk_norm).describe("Queries and keys are normalized, head by head."),
         Field::table("experts", &S::experts, experts)
             .describe("A mixture of experts in place of the feed-forward."),
         Field::integer("predicted_ahead", &S::predicted_ahead)
             .at_least(0)
             .at_most(16)
             .describe("Multi-token prediction modules (DeepSeek-V3)."),
         Field::integer("vocab", &S::vocab)
             .at_least(1)
             .at_most(1e8)
             .otherwise("required, unless of the base")
             .describe("Words in the vocabulary, padding included."),
         Field::integer("seq_length", &S::seq_length)
             .at_least(1)
             .at_most(1e8)
             .otherwise("required, unless of the base")
             .unit("tokens")
             .describe("Sequence length it was made for; of the encoder, where there is one."),
         Field::integer("decoder_seq_length", &S::decoder_seq_length)
             .at_least(0)
             .at_most(1e8)
             .otherwise("t5: seq_length")
             .unit("tokens")
             .describe("Tokens of a sequence that the decoder sees."),
         Field::integer("relative_buckets", &S::relative_buckets)
             .at_least(0)
             .at_most(1e6)
             .otherwise("t5: 32")
             .describe("Distances that relative positions tell apart."),
         Field::choice("position", &S::position,
                       {{"learned", PositionKind::learned},
                        {"rotary", PositionKind::rotary},
                        {"alibi", PositionKind::alibi},
                        {"relative", PositionKind::relative},
                        {"none", PositionKind::none}})
             .otherwise("gpt: learned; llama: rotary; t5: relative")
             .describe("Position encoding."),
         Field::choice("norm", &S::norm,
                       {{"layer_norm", NormKind::layer_norm}, {"rms_norm", NormKind::rms_norm}})
             .otherwise("gpt: layer_norm; others: rms_norm")
             .describe("Normalization."),
         Field::choice("activation", &S::activation,
                       {{"gelu", ActivationKind::gelu},
                        {"swiglu", ActivationKind::swiglu},
                        {"relu", ActivationKind::relu},
                        {"geglu", ActivationKind::geglu}})
             .otherwise("gpt: gelu; llama: swiglu; t5: relu")
             .describe("Feed-forward activation."),
         Field::boolean("bias", &S::bias)
             .otherwise("gpt: true; others: false")
             .describe("Biases on every linear layer and layer norm."),
         Field::boolean("tied_embeddings", &S::tied_embeddings)
             .otherwise("llama: false; others: true")
             .describe("The output projection shares the embedding's weights."),
         Field::boolean("embedding_norm", &S::embedding_norm)
             .describe("A normalization right after the embedding."),
         Field::number("dropout", &S::dropout)
             .at_least(0)
             .below(1)
             .otherwise("llama: 0; others: 0.1")
             .describe("Dropout rate; 0 leaves the kernels out."),
         Field::boolean("causal", &S::causal)
             .otherwise("true; false for a tower that reads patches")
             .describe("A token sees those before it only (not of an encoder-decoder)."),
         Field::number("published_parameters", &S::published_parameters)
             .at_least(0)
             .describe("Parameters, as the publication counts them."),
         Field::number("published_active_parameters", &S::published_active_parameters)
             .at_least(0)
             .describe("Of those, what one token meets in a mixture of experts."),
         Field::text("source", &S::source).describe("Where the shape is published.")}};
}

/// Keys of a tower: of the model's, those that describe a stack.
schema::Table<TransformerShape> make_tower_table() {
    static constexpr std::array<std::string_view, 16> kKeys{
        "name",     "layers",         "hidden",   "ffn_hidden", "heads",      "kv_heads",
        "head_dim", "vocab",          "position", "norm",       "activation", "bias",
        "causal",   "embedding_norm", "dropout",  "seq_length"};
    static const auto patches = make_patch_table();
    schema::Table<TransformerShape> table{
        "tower", "One tower: a stack of layers with an input of its own.", {}};
    for (const schema::Field<TransformerShape>& field : make_table().fields) {
        if (std::ranges::find(kKeys, field.info.key) != kKeys.end()) table.fields.push_back(field);
    }
    table.fields.front().required();
    table.fields.push_back(
        schema::Field<TransformerShape>::table("patches", &TransformerShape::patches, patches)
            .otherwise("the tower reads words")
            .describe("The tower reads images, in patches."));
    return table;
}

}  // namespace

const schema::Table<TransformerShape>& tower_table() {
    static const schema::Table<TransformerShape> table = make_tower_table();
    return table;
}

namespace {

/// A model's keys: those of a stack, and what joins several.
schema::Table<TransformerShape> make_model_table() {
    using Field = schema::Field<TransformerShape>;
    using S = TransformerShape;
    schema::Table<S> table = make_table();
    schema::FieldInfo tower;
    tower.shape = tower_table().shape();
    table.fields.push_back(
        Field::custom("towers", schema::list_shape(tower),
                      [](S&, const yaml::Node& node, const schema::FieldInfo& field,
                         const schema::Scope& scope) { schema::check_list(node, field, scope); })
            .describe("Towers that feed the other layers; style that they do not give is the model's."));
    table.fields.push_back(Field::choice("fusion", &S::fusion,
                                         {{"concatenate", FusionKind::concatenate},
                                          {"project", FusionKind::project},
                                          {"contrastive", FusionKind::contrastive}})
                               .describe("What becomes of the towers' outputs: their tokens in one sequence, "
                                         "their features projected together, or a loss over the batch."));
    table.fields.push_back(Field::integer("embedding_width", &S::embedding_width)
                               .at_least(1)
                               .at_most(most_hidden)
                               .otherwise("contrastive: required")
                               .describe("Size of the embeddings that a contrastive loss compares."));
    return table;
}

}  // namespace

const schema::Table<TransformerShape>& transformer_table() {
    static const schema::Table<TransformerShape> table = make_model_table();
    return table;
}

}  // namespace orrery::models
