#include "models/zoo.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/data_path.hpp"
#include "models/zoo_check.hpp"

namespace orrery::models {
namespace {

constexpr std::string_view kFolder = "models/zoo";
constexpr int kDeepestBase = 8;

/// A model's map: the shape, and the model it starts from.
struct Description {
    std::string base;
    TransformerShape shape;
};

void apply_family(TransformerShape& shape, const std::string& family) {
    shape.family = family;
    if (family == "llama") {
        shape.position = PositionKind::rotary;
        shape.norm = NormKind::rms_norm;
        shape.activation = ActivationKind::swiglu;
        shape.bias = false;
        shape.tied_embeddings = false;
        shape.dropout = 0;
    } else if (family == "t5") {
        shape.position = PositionKind::relative;
        shape.relative_buckets = 32;
        shape.norm = NormKind::rms_norm;
        shape.activation = ActivationKind::relu;
        shape.bias = false;
    }
}

/// What each tower's map leaves out; the trunk's sequence is what they make of it.
void complete_towers(TransformerShape& shape) {
    shape.tied_embeddings = false;
    shape.seq_length = 0;
    for (TransformerShape& tower : shape.towers) {
        if (tower.kv_heads == 0) tower.kv_heads = tower.heads;
        if (tower.head_dim == 0 && tower.heads > 0 && tower.hidden % tower.heads == 0)
            tower.head_dim = tower.hidden / tower.heads;
        if (tower.ffn_hidden == 0 && tower.family == "gpt") tower.ffn_hidden = 4 * tower.hidden;
        if (tower.patches.image > 0) tower.seq_length = tower.patches.tokens();
        tower.tied_embeddings = false;
        // Features joined token by token are as many tokens as each tower has.
        const bool joined = shape.fusion == FusionKind::project;
        shape.seq_length = joined ? tower.seq_length : shape.seq_length + tower.seq_length;
    }
}

/// What the map leaves out and the family gives, in numbers that depend on others.
void complete(TransformerShape& shape) {
    if (!shape.towers.empty()) complete_towers(shape);
    if (shape.kv_heads == 0) shape.kv_heads = shape.heads;
    if (shape.head_dim == 0 && shape.heads > 0 && shape.hidden % shape.heads == 0) {
        shape.head_dim = shape.hidden / shape.heads;
    }
    if (shape.ffn_hidden == 0 && shape.family == "gpt") shape.ffn_hidden = 4 * shape.hidden;
    if (shape.experts.count > 0 && shape.experts.ffn_hidden == 0) shape.experts.ffn_hidden = shape.ffn_hidden;
    if (shape.family == "t5") {
        if (shape.encoder_layers == 0) shape.encoder_layers = shape.layers;
        if (shape.decoder_seq_length == 0) shape.decoder_seq_length = shape.seq_length;
    }
}

/// Each tower begins with what the model's own keys say of style.
void read_towers(TransformerShape& shape, const yaml::Node& list, const schema::Scope& scope) {
    TransformerShape style;
    style.family = shape.family;
    style.position = shape.position;
    style.norm = shape.norm;
    style.activation = shape.activation;
    style.bias = shape.bias;
    style.dropout = shape.dropout;
    shape.towers.clear();
    for (const yaml::Node& child : list.children) {
        TransformerShape& tower = shape.towers.emplace_back(style);
        tower.causal = child.kind != yaml::Kind::map || child.find("patches") == nullptr;
        schema::read_into(tower, tower_table(), child,
                          scope.inside(fmt::format("towers[{}]", shape.towers.size() - 1)));
    }
}

void read_named(TransformerShape& shape, const std::string& name, const yaml::Node& node,
                const std::string& key, const schema::Scope& scope, int depth);

void read_map(TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope, int depth) {
    if (const yaml::Node* base = map.find("base"); base != nullptr && base->kind == yaml::Kind::scalar) {
        read_named(shape, base->text, *base, scope.path_of("base"), scope, depth + 1);
        // What follows from a size that this map changes is derived anew.
        if (map.find("heads") != nullptr && map.find("kv_heads") == nullptr) shape.kv_heads = 0;
        if (map.find("heads") != nullptr || map.find("hidden") != nullptr) {
            if (map.find("head_dim") == nullptr) shape.head_dim = 0;
        }
        if (map.find("hidden") != nullptr && shape.family == "gpt") shape.ffn_hidden = 0;
        if (map.find("name") == nullptr) shape.name += " (changed)";
        shape.published_parameters = shape.published_active_parameters = 0;
    }
    if (const yaml::Node* family = map.find("family"); family != nullptr) apply_family(shape, family->text);
    if (map.find("latent_attention") != nullptr) shape.attention = AttentionKind::latent;
    schema::read_into(shape, transformer_table(), map, scope);
    const yaml::Node* towers = map.find("towers");
    if (towers != nullptr && towers->kind != yaml::Kind::sequence) towers = nullptr;  // reported already
    if (towers != nullptr) read_towers(shape, *towers, scope);
    complete(shape);
    if (towers != nullptr) check_each_tower(shape, *towers, scope);
    check_shape(shape, map, scope);
}

void read_file(TransformerShape& shape, const std::filesystem::path& path, const schema::Scope& scope,
               int depth) {
    if (shape.name.empty()) shape.name = path.stem().string();
    read_map(shape, yaml::read(path), {"", scope.problems}, depth);
}

void read_named(TransformerShape& shape, const std::string& name, const yaml::Node& node,
                const std::string& key, const schema::Scope& scope, int depth) {
    try {
        if (depth > kDeepestBase) {
            throw InputError(node.where(), key, fmt::format("bases chain deeper than {}", kDeepestBase));
        }
        read_file(shape, data_file(kFolder, name, "model", node.where(), key), scope, depth);
    } catch (const InputError& error) {
        scope.problems->add(error);
    }
}

}  // namespace

TransformerShape load_transformer(const std::string& name_or_path) {
    schema::Problems problems;
    TransformerShape shape;
    read_file(shape, data_file(kFolder, name_or_path, "model"), {"", &problems}, 0);
    problems.throw_if_any();
    return shape;
}

void read_transformer(TransformerShape& shape, const yaml::Node& node, std::string_view key,
                      const schema::Scope& scope) {
    if (node.kind == yaml::Kind::scalar) {
        read_named(shape, node.text, node, scope.path_of(key), scope, 0);
    } else if (node.kind == yaml::Kind::map) {
        read_map(shape, node, scope.inside(key), 0);
    } else {
        scope.report(
            node, key,
            fmt::format("expected a model's name, a path, or a map, got {}", yaml::describe(node.kind)));
    }
}

schema::Shape transformer_value_shape() {
    using Json = nlohmann::ordered_json;
    const Json name = {{"type", "string"}, {"description", "A name of models/zoo, or a path."}};
    return std::make_shared<Json>(Json{{"anyOf", Json::array({name, *transformer_table().shape()})}});
}

std::vector<std::string> transformer_names() {
    return data_names(kFolder);
}

}  // namespace orrery::models
