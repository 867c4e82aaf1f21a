#include "models/zoo_check.hpp"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace orrery::models {
namespace {

/// The value under `key`, or the map itself where it is absent.
const yaml::Node& place(const yaml::Node& map, std::string_view key) {
    const yaml::Node* value = map.find(key);
    return value != nullptr ? *value : map;
}

void check_experts(const ExpertShape& e, const yaml::Node& model, const schema::Scope& scope) {
    const yaml::Node* given = model.find("experts");
    const yaml::Node& map = given != nullptr && given->kind == yaml::Kind::map ? *given : model;
    const schema::Scope inside = scope.inside("experts");
    const auto report = [&](std::string_view key, const std::string& message) {
        inside.report(place(map, key), key, message);
    };
    if (e.count == 0) return report("count", "is missing; expected an integer >= 1");
    if (e.top_k > e.count) {
        report("top_k",
               fmt::format("{} is more than the {} experts; expected 1 to {}", e.top_k, e.count, e.count));
    }
    if (e.count % e.groups != 0) {
        report("groups",
               fmt::format("{} groups do not divide {} experts; expected a divisor", e.groups, e.count));
    } else if (e.top_groups > e.groups) {
        report("top_groups", fmt::format("{} is more than the {} groups; expected 1 to {}", e.top_groups,
                                         e.groups, e.groups));
    } else if (e.top_k > e.top_groups * (e.count / e.groups)) {
        report("top_k", fmt::format("{} is more than the {} experts of {} groups", e.top_k,
                                    e.top_groups * (e.count / e.groups), e.top_groups));
    }
}

void check_latent(const LatentAttention& a, const yaml::Node& model, const schema::Scope& scope) {
    const yaml::Node* given = model.find("latent_attention");
    const yaml::Node& map = given != nullptr && given->kind == yaml::Kind::map ? *given : model;
    const schema::Scope inside = scope.inside("latent_attention");
    for (const auto& [key, value] : {std::pair("kv_rank", a.kv_rank), std::pair("nope_dim", a.nope_dim),
                                     std::pair("value_dim", a.value_dim)}) {
        if (value == 0) inside.report(place(map, key), key, "is missing; expected an integer >= 1");
    }
}

using Sizes = std::vector<std::pair<const char*, std::int64_t>>;

/// Sizes of one stack of layers: what must be there, and what must divide what.
void check_stack(const TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope,
                 const Sizes& required) {
    const auto report = [&](std::string_view key, const std::string& message) {
        scope.report(place(map, key), key, message);
    };
    for (const auto& [key, value] : required) {
        if (value == 0) report(key, "is missing; expected an integer >= 1");
    }
    if (shape.hidden == 0 || shape.heads == 0) return;
    if (shape.head_dim == 0) {
        report(
            "heads",
            fmt::format("{} heads do not divide the hidden size {}; expected a divisor, or head_dim as well",
                        shape.heads, shape.hidden));
    } else if (shape.heads * shape.head_dim > 10'000'000) {
        report("head_dim", "heads x head_dim must not exceed 10000000");
    }
    if (shape.heads % shape.kv_heads != 0) {
        report("kv_heads", fmt::format("{} key and value heads do not divide {} heads; expected a divisor",
                                       shape.kv_heads, shape.heads));
    }
    if (shape.ffn_hidden == 0) {
        report("ffn_hidden", fmt::format("is missing; the {} family has no default for it", shape.family));
    }
}

Sizes sizes_of(const TransformerShape& shape) {
    return {{"layers", shape.layers}, {"hidden", shape.hidden}, {"heads", shape.heads}};
}

void check_patches(const PatchInput& patches, const yaml::Node& tower, const schema::Scope& scope) {
    const yaml::Node& map = place(tower, "patches");
    const schema::Scope inside = scope.inside("patches");
    if (patches.image == 0)
        inside.report(place(map, "image"), "image", "is missing; expected an integer >= 1");
    if (patches.patch == 0)
        inside.report(place(map, "patch"), "patch", "is missing; expected an integer >= 1");
    if (patches.patch == 0 || patches.image % patches.patch == 0) return;
    inside.report(place(map, "patch"), "patch",
                  fmt::format("{} does not divide the image's side of {}; expected a divisor", patches.patch,
                              patches.image));
}

void check_tower(const TransformerShape& tower, const yaml::Node& map, const schema::Scope& scope) {
    Sizes required = sizes_of(tower);
    if (map.find("patches") != nullptr) {
        check_patches(tower.patches, map, scope);
        for (const char* key : {"vocab", "seq_length"}) {
            if (map.find(key) == nullptr) continue;
            scope.report(place(map, key), key, "has no meaning for a tower that reads patches");
        }
    } else {
        required.emplace_back("vocab", tower.vocab);
        required.emplace_back("seq_length", tower.seq_length);
    }
    check_stack(tower, map, scope, required);
}

/// The towers were given by this map, or by its base.
void check_towers(const TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope) {
    const auto report = [&](std::string_view key, const std::string& message) {
        scope.report(place(map, key), key, message);
    };
    for (const char* key :
         {"experts", "latent_attention", "predicted_ahead", "encoder_layers", "seq_length"}) {
        if (map.find(key) != nullptr) report(key, "has no meaning for a model of towers");
    }
    if (shape.family == "t5") report("family", "t5 has no towers; expected gpt or llama");
    std::set<std::string> names;
    for (const TransformerShape& tower : shape.towers) {
        if (names.insert(tower.name).second) continue;
        report("towers", fmt::format("two towers are called {}; expected names of their own", tower.name));
    }
    if (shape.fusion == FusionKind::contrastive) {
        if (shape.layers > 0) report("layers", "a contrastive model has no trunk; expected none");
        if (shape.embedding_width == 0) report("embedding_width", "is missing; expected an integer >= 1");
        if (shape.towers.size() != 2)
            report("towers", fmt::format("{} towers; a contrastive loss compares 2", shape.towers.size()));
        return;
    }
    if (shape.embedding_width > 0) report("embedding_width", "has a meaning only with fusion: contrastive");
    Sizes required = sizes_of(shape);
    required.emplace_back("vocab", shape.vocab);
    check_stack(shape, map, scope, required);
    if (shape.fusion == FusionKind::concatenate) return;
    for (const TransformerShape& tower : shape.towers) {
        if (tower.seq_length == shape.seq_length) continue;
        report("fusion", fmt::format("project joins token by token; tower {} has {} tokens, another {}",
                                     tower.name, tower.seq_length, shape.seq_length));
    }
}

}  // namespace

void check_shape(const TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope) {
    if (!shape.towers.empty()) return check_towers(shape, map, scope);
    for (const char* key : {"fusion", "embedding_width"}) {
        if (map.find(key) != nullptr)
            scope.report(place(map, key), key, "has a meaning only for a model of towers");
    }
    if (shape.experts.count > 0 || map.find("experts") != nullptr) check_experts(shape.experts, map, scope);
    if (shape.attention == AttentionKind::latent) check_latent(shape.latent, map, scope);
    if (shape.encoder_layers > 0 && shape.family != "t5") {
        scope.report(place(map, "encoder_layers"), "encoder_layers", "has a meaning only with family: t5");
    }
    Sizes required = sizes_of(shape);
    required.emplace_back("vocab", shape.vocab);
    required.emplace_back("seq_length", shape.seq_length);
    check_stack(shape, map, scope, required);
}

void check_each_tower(const TransformerShape& shape, const yaml::Node& list, const schema::Scope& scope) {
    for (std::size_t i = 0; i < shape.towers.size(); ++i) {
        if (list.children[i].kind == yaml::Kind::map)
            check_tower(shape.towers[i], list.children[i], scope.inside(fmt::format("towers[{}]", i)));
    }
}

}  // namespace orrery::models
