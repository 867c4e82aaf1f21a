#include "models/towers.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"
#include "models/emit.hpp"
#include "models/parameters.hpp"
#include "models/zoo.hpp"

namespace orrery::models {
namespace {

TransformerShape read(const std::string& text) {
    const yaml::Node root = yaml::parse("model: " + text, "m.yaml");
    schema::Problems problems;
    TransformerShape shape;
    read_transformer(shape, *root.find("model"), "model", {"", &problems});
    problems.throw_if_any();
    return shape;
}

std::string error_of(const std::string& text) {
    try {
        read(text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

double forward_of(const Model& model, const std::string& tower) {
    double flops = 0;
    for (const LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        if (!layer.name.starts_with(tower)) continue;
        for (const Operator& op : layer.operators) flops += forward_flops(op, layer.tokens, false);
    }
    return flops;
}

double parameters_of(const Model& model, const std::string& tower) {
    double sum = 0;
    for (const LayerNode& node : model.nodes) {
        const Layer& layer = model.types[static_cast<std::size_t>(node.type)];
        if (layer.name.starts_with(tower)) sum += layer.parameters();
    }
    return sum;
}

/// mlfoundations/open_clip, docs/model_profile.csv: millions of parameters and GFLOP of a forward, image and
/// text.
struct Profile {
    const char* name;
    double image_parameters, text_parameters, image_flops, text_flops;
};
constexpr Profile kProfiles[] = {
    {"clip-vit-b-32", 87.85e6, 63.43e6, 8.82e9, 5.96e9},
    {"clip-vit-l-14", 303.97e6, 123.65e6, 162.03e9, 13.3e9},
    {"clip-vit-h-14", 632.08e6, 354.03e6, 334.59e9, 47.09e9},
    {"clip-vit-bigg-14", 1844.91e6, 694.66e6, 967.5e9, 97.86e9},
};

TEST(Towers, HaveTheParametersAndFlopsThatOpenClipProfiles) {
    for (const Profile& profile : kProfiles) {
        const Model model = build_transformer(load_transformer(profile.name));
        EXPECT_NEAR(parameters_of(model, "image"), profile.image_parameters, 0.5e4) << profile.name;
        EXPECT_NEAR(parameters_of(model, "text"), profile.text_parameters, 0.5e4) << profile.name;
        EXPECT_NEAR(forward_of(model, "image"), profile.image_flops, 2e-3 * profile.image_flops)
            << profile.name;
        EXPECT_NEAR(forward_of(model, "text"), profile.text_flops, 2e-3 * profile.text_flops) << profile.name;
    }
}

constexpr const char* kTrunk =
    "{layers: 3, hidden: 96, heads: 4, vocab: 100, towers: [{name: a, layers: 2, hidden: 64, heads: 4, "
    "vocab: "
    "50, seq_length: 24}, {name: b, layers: 1, hidden: 96, heads: 4, patches: {image: 32, patch: 8, bias: "
    "true, class_token: false}}]}";

TEST(Towers, AreCountedInTheGraphAsInTheClosedForms) {
    const std::string same =
        "{family: llama, layers: 2, hidden: 64, ffn_hidden: 128, heads: 4, vocab: 100, fusion: project, "
        "towers: [{name: a, layers: 2, hidden: 64, ffn_hidden: 96, heads: 4, kv_heads: 2, vocab: 50, "
        "seq_length: 16}, {name: b, layers: 3, hidden: 32, ffn_hidden: 96, heads: 2, vocab: 20, seq_length: "
        "16, position: learned, norm: layer_norm, bias: true}]}";
    for (const std::string& text : {std::string(kTrunk), same}) {
        const TransformerShape shape = read(text);
        EXPECT_EQ(build_transformer(shape).parameters(),
                  static_cast<double>(count_parameters(shape).total()));
    }
}

TEST(Towers, FeedTheTrunkWithAllTheirTokens) {
    const TransformerShape shape = read(kTrunk);
    EXPECT_EQ(shape.seq_length, 24 + 16);
    EXPECT_EQ(shape.blocks(), 6);
    EXPECT_TRUE(shape.towers[0].causal);
    EXPECT_FALSE(shape.towers[1].causal);
    const Model model = build_transformer(shape);
    // a: embedding, 2 blocks, projection; b: embedding, block, projection; fusion, 3 blocks, head.
    ASSERT_EQ(model.nodes.size(), 4U + 3U + 5U);
    EXPECT_EQ(model.nodes[7].inputs, (std::vector<int>{3, 6}));
    EXPECT_TRUE(model.nodes[4].inputs.empty());
    EXPECT_EQ(model.layer(3).width, 96);  // projected to the trunk's width
    EXPECT_EQ(model.layer(3).tokens, 24);
    EXPECT_EQ(model.layer(7).tokens, 40);
    EXPECT_EQ(model.layer(2).width, 64);
    double attention = 0;
    for (const Operator& op : model.layer(8).operators)
        if (op.kind == OperatorKind::core_attention)
            attention = forward_flops(op, model.layer(8).tokens, false);
    EXPECT_EQ(attention, 4.0 * 40 * 40 * 96);
}

TEST(Towers, HaveNoGradientOfPixels) {
    const Model model = build_transformer(read(kTrunk));
    const Software software;
    LocalShape shape;
    shape.seq = shape.keys = 16;
    std::vector<Kernel> forward, input, weight;
    const Operator& patches = model.layer(4).operators.front();
    emit_forward(patches, shape, software, forward);
    emit_backward_input(patches, shape, software, input);
    emit_backward_weight(patches, shape, software, weight);
    EXPECT_EQ(forward.front().flops, 2.0 * 16 * (3 * 8 * 8) * 96);
    EXPECT_TRUE(input.empty());
    EXPECT_EQ(weight.front().flops, forward.front().flops);
}

/// Rows x samples similarities in two directions, and the gradients of both factors of each.
TEST(ContrastiveLoss, ComputesItsRowsOfTheBatch) {
    const Model model = build_transformer(load_transformer("clip-vit-b-32"));
    const Operator& op = model.types.back().operators.front();
    ASSERT_EQ(op.kind, OperatorKind::contrastive_loss);
    const LocalShape shape;
    const ContrastiveLoss loss = contrastive_loss(op, 64, 256, shape, Software{});
    const auto flops = [](const std::vector<Kernel>& kernels) {
        double sum = 0;
        for (const Kernel& kernel : kernels) sum += kernel.flops;
        return sum;
    };
    EXPECT_EQ(flops(loss.forward), 2 * 2.0 * 64 * 256 * 512);
    EXPECT_EQ(flops(loss.backward), 2 * flops(loss.forward));
    EXPECT_EQ(loss.gathered_bytes, 2.0 * 256 * 2 * 512);
    EXPECT_GE(loss.workspace_bytes, 2 * loss.gathered_bytes + 2 * 4.0 * 64 * 256);
}

TEST(Towers, NameMistakes) {
    const std::string text = "{name: t, layers: 1, hidden: 8, heads: 2, vocab: 9, seq_length: 4}";
    const std::string pixels = "{name: p, layers: 1, hidden: 8, heads: 2, patches: {image: 8, patch: 4}}";
    const auto contrastive = [](const std::string& towers, const std::string& more = ", embedding_width: 4") {
        return error_of("{fusion: contrastive" + more + ", towers: [" + towers + "]}");
    };
    EXPECT_EQ(contrastive(text + ", " + pixels), "no error");
    const auto has = [](const std::string& message, const std::string& part) {
        EXPECT_NE(message.find(part), std::string::npos) << message;
    };
    has(contrastive(text), "a contrastive loss compares 2");
    has(contrastive(text + ", " + text), "two towers are called t");
    has(contrastive(text + ", " + pixels, ""), "model.embedding_width: is missing");
    has(contrastive(text + ", " + pixels, ", embedding_width: 4, layers: 2"), "has no trunk");
    has(contrastive(text + ", {name: p, layers: 1, hidden: 8, heads: 3, patches: {image: 8, patch: 4}}"),
        "model.towers[1].heads: 3 heads do not divide");
    has(contrastive(text + ", {name: p, layers: 1, hidden: 8, heads: 2, patches: {image: 8, patch: 3}}"),
        "model.towers[1].patches.patch: 3 does not divide");
    has(contrastive(text + ", {name: p, layers: 1, hidden: 8, heads: 2}"),
        "model.towers[1].vocab: is missing");
    has(contrastive(text + ", {name: p, layer: 1, hidden: 8, heads: 2, vocab: 4, seq_length: 4}"), "layers");
    has(error_of("{towers: [" + text + "], layers: 1, hidden: 8, heads: 2}"), "model.vocab: is missing");
    has(error_of("{fusion: project, layers: 1, hidden: 8, heads: 2, vocab: 9, seq_length: 4}"),
        "only for a model of towers");
    has(error_of("{towers: [" + text + ", " + pixels +
                 "], fusion: project, layers: 1, hidden: 8, heads: 2, vocab: 9}"),
        "project joins token by token");
}

}  // namespace
}  // namespace orrery::models
