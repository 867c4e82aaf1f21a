#include "models/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "models/parameters.hpp"

namespace orrery::models {
namespace {

TransformerShape read(const std::string& yaml_text) {
    const yaml::Node root = yaml::parse(yaml_text, "m.yaml");
    schema::Problems problems;
    TransformerShape shape;
    read_transformer(shape, *root.find("model"), "model", {"", &problems});
    problems.throw_if_any();
    return shape;
}

std::string error_of(const std::string& yaml_text) {
    try {
        read(yaml_text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

/// Half of the last digit that the publication prints: 1.7e9 stands for 1.65e9 to 1.75e9.
double rounding_of(double published) {
    double unit = 1;
    while (unit < published && std::fmod(published, unit * 10) == 0) unit *= 10;
    return unit / 2;
}

TEST(Zoo, HoldsThePublishedParameterCounts) {
    ASSERT_GE(transformer_names().size(), 30U);
    for (const std::string& name : transformer_names()) {
        const TransformerShape shape = load_transformer(name);
        EXPECT_FALSE(shape.source.empty()) << name;
        ASSERT_GT(shape.published_parameters, 0) << name;
        const double rounding = rounding_of(shape.published_parameters);
        const auto counted = static_cast<double>(count_parameters(shape).total());
        EXPECT_LE(std::abs(counted - shape.published_parameters), rounding == 0.5 ? 0 : rounding) << name;
    }
}

TEST(Zoo, CountsExactlyWhatPublishersCountExactly) {
    EXPECT_EQ(count_parameters(load_transformer("llama2-7b")).total(), 6'738'415'616);
    EXPECT_EQ(count_parameters(load_transformer("llama2-70b")).total(), 68'976'648'192);
    EXPECT_EQ(count_parameters(load_transformer("llama3-8b")).total(), 8'030'261'248);
    EXPECT_EQ(count_parameters(load_transformer("llama3-405b")).total(), 405'853'388'800);
    EXPECT_EQ(count_parameters(load_transformer("bloom-176b")).total(), 176'247'271'424);
    EXPECT_EQ(count_parameters(load_transformer("bloom-176b")).embedding - 2 * 14336, 3'596'615'680);
    EXPECT_EQ(count_parameters(load_transformer("mixtral-8x7b")).total(), 46'702'792'704);
    EXPECT_EQ(count_parameters(load_transformer("mixtral-8x22b")).total(), 140'620'634'112);
    EXPECT_EQ(count_parameters(load_transformer("deepseek-v2")).total(), 235'741'434'880);
    EXPECT_EQ(count_parameters(load_transformer("deepseek-v3")).total(), 671'026'419'200);
    EXPECT_EQ(count_parameters(load_transformer("qwen3-235b-a22b")).total(), 235'093'634'560);
    EXPECT_EQ(count_parameters(load_transformer("clip-vit-b-32")).total(), 151'277'313);
    EXPECT_EQ(count_parameters(load_transformer("clip-vit-l-14")).total(), 427'616'513);
}

/// Some publications leave the embedding, which is looked up, out of the active parameters, others do not:
/// the published figure must be one of the two.
TEST(Zoo, HoldsThePublishedActiveParameters) {
    int published = 0;
    for (const std::string& name : transformer_names()) {
        const TransformerShape shape = load_transformer(name);
        if (shape.published_active_parameters == 0) continue;
        ++published;
        const ParameterCount count = count_parameters(shape);
        const double rounding = rounding_of(shape.published_active_parameters);
        const auto all = static_cast<double>(count.active());
        const auto without_embedding = static_cast<double>(count.active() - count.embedding);
        EXPECT_LE(std::min(std::abs(all - shape.published_active_parameters),
                           std::abs(without_embedding - shape.published_active_parameters)),
                  rounding)
            << name;
    }
    EXPECT_EQ(published, 5);
}

/// DeepSeek-V3's README_WEIGHTS.md: 11.5B parameters of the module beside the shared embedding and head; it
/// leaves out the projection that joins the two.
TEST(Zoo, CountsTheMultiTokenPredictionModule) {
    const TransformerShape shape = load_transformer("deepseek-v3");
    const ParameterCount count = count_parameters(shape);
    EXPECT_NEAR(static_cast<double>(count.predicted_ahead - 2 * shape.hidden * shape.hidden), 11.5e9, 0.05e9);
}

/// google/switch-base-8 has 619 M parameters.
TEST(Zoo, CountsAnEncoderDecoder) {
    const TransformerShape shape = read("model: {base: switch-base, experts: {count: 8}}");
    EXPECT_NEAR(static_cast<double>(count_parameters(shape).total()), 619e6, 0.5e6);
    EXPECT_EQ(shape.encoder_layers, 12);
}

/// The closed forms and the graph of operators are written apart.
TEST(Zoo, CountsInTheGraphWhatTheClosedFormsCount) {
    for (const std::string& name : transformer_names()) {
        const TransformerShape shape = load_transformer(name);
        const ParameterCount count = count_parameters(shape);
        // The graph of BLOOM leaves out the norm after its embedding.
        const double missing = shape.embedding_norm ? 2.0 * static_cast<double>(shape.hidden) : 0;
        EXPECT_EQ(build_transformer(shape).parameters() + missing,
                  static_cast<double>(count.total() + count.predicted_ahead))
            << name;
    }
}

/// FLOPs of a token's forward, two for each active weight that is a matrix, attention apart (Kaplan et al.
/// 2020, section 2.1).
TEST(Zoo, SpendsTwoFlopsOnEachActiveWeightOfATokensForward) {
    for (const std::string& name : transformer_names()) {
        const TransformerShape shape = load_transformer(name);
        if (shape.encoder_layers > 0 || shape.predicted_ahead > 0 || !shape.towers.empty()) continue;
        const Model model = build_transformer(shape);
        double flops = 0;
        for (const LayerNode& node : model.nodes) {
            for (const Operator& op : model.types[static_cast<std::size_t>(node.type)].operators) {
                if (op.kind != OperatorKind::core_attention) flops += forward_flops(op, 1, false);
            }
        }
        const ParameterCount count = count_parameters(shape);
        const auto looked_up = static_cast<double>(count.embedding + count.position);
        const auto head = static_cast<double>(shape.vocab * shape.hidden);
        const double weights = static_cast<double>(count.active() - count.output) - looked_up + head;
        // Biases and norms are no products: a few in ten thousand.
        EXPECT_NEAR(flops / 2, weights, 2e-3 * weights) << name;
        EXPECT_LE(flops / 2, weights) << name;
    }
}

/// DeepSeek-V2, section 2.1: scores of (nope + rope) and values of value_dim a head.
TEST(Zoo, CountsLatentAttentionsFlops) {
    const Model model = build_transformer(load_transformer("deepseek-v3"));
    double attention = 0;
    for (const Operator& op : model.layer(1).operators) {
        if (op.kind == OperatorKind::core_attention) attention += forward_flops(op, 4096, false);
    }
    EXPECT_EQ(attention, 2.0 * 4096 * 4096 * 128 * (128 + 64 + 128));
}

/// Narayanan et al. 2021, equation 2; it leaves out the final layer norm's 2h.
TEST(Zoo, AgreesWithTheClosedFormOfMegatron) {
    for (const char* name : {"megatron-1.7b", "megatron-39.1b", "megatron-1008b", "megatron-22b"}) {
        const TransformerShape shape = load_transformer(name);
        const double l = static_cast<double>(shape.layers);
        const double h = static_cast<double>(shape.hidden);
        const double words = static_cast<double>(shape.vocab + shape.seq_length);
        const double formula = 12 * l * h * h * (1 + 13 / (12 * h) + words / (12 * l * h));
        EXPECT_NEAR(static_cast<double>(count_parameters(shape).total()), formula + 2 * h, formula * 1e-14)
            << name;
    }
}

/// llm-foundry's benchmark table at other sequence lengths: positions are learned, one row a token.
TEST(Zoo, CountsMptAtOtherSequenceLengths) {
    EXPECT_NEAR(count_parameters(read("model: {base: mpt-7b, seq_length: 65536}")).total() / 1e9, 6.9189,
                5e-5);
    EXPECT_NEAR(count_parameters(read("model: {base: mpt-30b, seq_length: 8192}")).total() / 1e9, 30.0193,
                5e-5);
    EXPECT_NEAR(count_parameters(read("model: {base: mpt-125m, seq_length: 32768}")).total() / 1e9, 0.1489,
                5e-5);
}

TEST(Zoo, AppliesTheFamilysDefaults) {
    const TransformerShape gpt = read("model: {layers: 2, hidden: 64, heads: 4, vocab: 100, seq_length: 8}");
    EXPECT_EQ(gpt.ffn_hidden, 256);
    EXPECT_EQ(gpt.kv_heads, 4);
    EXPECT_EQ(gpt.head_dim, 16);
    EXPECT_EQ(gpt.position, PositionKind::learned);
    EXPECT_TRUE(gpt.bias);
    EXPECT_EQ(gpt.dropout, 0.1);
    const TransformerShape llama = read(
        "model: {family: llama, layers: 2, hidden: 64, ffn_hidden: 128, heads: 4, kv_heads: 2, vocab: 9, "
        "seq_length: 8}");
    EXPECT_EQ(llama.position, PositionKind::rotary);
    EXPECT_EQ(llama.norm, NormKind::rms_norm);
    EXPECT_EQ(llama.activation, ActivationKind::swiglu);
    EXPECT_FALSE(llama.bias);
    EXPECT_FALSE(llama.tied_embeddings);
    EXPECT_EQ(llama.dropout, 0);
}

TEST(Zoo, StartsFromABaseAndDerivesAnew) {
    const TransformerShape trimmed = read("model: {base: llama3-70b, layers: 12}");
    EXPECT_EQ(trimmed.layers, 12);
    EXPECT_EQ(trimmed.hidden, 8192);
    EXPECT_EQ(trimmed.kv_heads, 8);
    EXPECT_EQ(trimmed.name, "llama3-70b (changed)");
    const TransformerShape wide = read("model: {base: gpt3-175b, hidden: 24576}");
    EXPECT_EQ(wide.head_dim, 256);
    EXPECT_EQ(wide.ffn_hidden, 98304);
}

struct Mistake {
    std::string yaml_text;
    std::string message;
};

TEST(Zoo, RefusesImpossibleShapes) {
    const std::string rest = "layers: 2, vocab: 9, seq_length: 8";
    for (const Mistake& mistake : std::vector<Mistake>{
             {"model: gtp3-175b",
              "m.yaml:1:8: model: unknown model 'gtp3-175b'; did you mean 'gpt3-175b'? (allowed: "},
             {"model: no/such.yaml", "m.yaml:1:8: model: there is no model file 'no/such.yaml'"},
             {"model: [a]", "m.yaml:1:8: model: expected a model's name, a path, or a map, got a list"},
             {"model: {hidden: 100, heads: 3, " + rest + "}",
              "m.yaml:1:29: model.heads: 3 heads do not divide the hidden size 100"},
             {"model: {hidden: 64, heads: 4, kv_heads: 3, " + rest + "}",
              "m.yaml:1:41: model.kv_heads: 3 key and value heads do not divide 4 heads"},
             {"model: {family: llama, hidden: 64, heads: 4, " + rest + "}",
              "m.yaml:1:8: model.ffn_hidden: is missing; the llama family has no default for it"},
             {"model: {hidden: 64, heads: 4, layers: 0, vocab: 1, seq_length: 1}",
              "m.yaml:1:39: model.layers: expected an integer from 1 to 100000, got '0'"},
             {"model: {hidden: 64, heads: 4, layers: 1, vocab: 1}",
              "m.yaml:1:8: model.seq_length: is missing; expected an integer >= 1"},
             {"model: {base: llama3-7b}", "m.yaml:1:15: model.base: unknown model 'llama3-7b'; did you mean"},
             {"model: {base: llama3-70b, layrs: 2}",
              "m.yaml:1:27: model.layrs: unknown key 'layrs'; did you mean 'layers'?"},
             {"model: {base: gpt3-175b, family: mamba}",
              "m.yaml:1:34: model.family: unknown family 'mamba' (allowed: gpt, llama, t5)"},
             {"model: {base: llama3-8b, experts: {count: 8, top_k: 9}}",
              "m.yaml:1:53: model.experts.top_k: 9 is more than the 8 experts; expected 1 to 8"},
             {"model: {base: llama3-8b, experts: {top_k: 2}}",
              "m.yaml:1:35: model.experts.count: is missing; expected an integer >= 1"},
             {"model: {base: mixtral-8x7b, experts: {groups: 3}}",
              "m.yaml:1:47: model.experts.groups: 3 groups do not divide 8 experts; expected a divisor"},
             {"model: {base: llama3-8b, latent_attention: {kv_rank: 512, nope_dim: 128}}",
              "m.yaml:1:44: model.latent_attention.value_dim: is missing"},
             {"model: {base: llama3-8b, encoder_layers: 3}",
              "m.yaml:1:42: model.encoder_layers: has a meaning only with family: t5"},
         }) {
        const std::string message = error_of(mistake.yaml_text);
        EXPECT_EQ(message.substr(0, mistake.message.size()), mistake.message);
    }
}

}  // namespace
}  // namespace orrery::models
