#include "models/zoo.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/data_path.hpp"

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
    }
}

/// What the map leaves out and the family gives, in numbers that depend on others.
void complete(TransformerShape& shape) {
    if (shape.kv_heads == 0) shape.kv_heads = shape.heads;
    if (shape.head_dim == 0 && shape.heads > 0 && shape.hidden % shape.heads == 0) {
        shape.head_dim = shape.hidden / shape.heads;
    }
    if (shape.ffn_hidden == 0 && shape.family == "gpt") shape.ffn_hidden = 4 * shape.hidden;
}

/// The value under `key`, or the map itself where it is absent.
const yaml::Node& place(const yaml::Node& map, std::string_view key) {
    const yaml::Node* value = map.find(key);
    return value != nullptr ? *value : map;
}

void check(const TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope) {
    const auto report = [&](std::string_view key, const std::string& message) {
        scope.report(place(map, key), key, message);
    };
    for (const auto& [key, value] : {std::pair("layers", shape.layers), std::pair("hidden", shape.hidden),
                                     std::pair("heads", shape.heads), std::pair("vocab", shape.vocab),
                                     std::pair("seq_length", shape.seq_length)}) {
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
        shape.published_parameters = 0;
    }
    if (const yaml::Node* family = map.find("family"); family != nullptr) apply_family(shape, family->text);
    schema::read_into(shape, transformer_table(), map, scope);
    complete(shape);
    check(shape, map, scope);
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

schema::Table<TransformerShape> make_table() {
    using Field = schema::Field<TransformerShape>;
    using S = TransformerShape;
    constexpr double most_layers = 1e5;
    constexpr double most_hidden = 1e6;
    return {"model",
            "The shape of a decoder-only transformer.",
            {Field::custom(
                 "base", schema::shape_from_json(R"({"type": "string"})"),
                 [](S&, const yaml::Node& node, const schema::FieldInfo& field, const schema::Scope& scope) {
                     schema::read_text(node, field, scope);  // followed before this table is read
                 })
                 .describe("A model of the zoo, or a file, to start from."),
             Field::text("name", &S::name).describe("Its name in reports."),
             Field::choice("family", &S::family, {{"gpt", "gpt"}, {"llama", "llama"}})
                 .describe("Sets the defaults of the other keys."),
             Field::integer("layers", &S::layers)
                 .at_least(1)
                 .at_most(most_layers)
                 .otherwise("required, unless of the base")
                 .describe("Transformer layers."),
             Field::integer("hidden", &S::hidden)
                 .at_least(1)
                 .at_most(most_hidden)
                 .otherwise("required, unless of the base")
                 .describe("Hidden size."),
             Field::integer("ffn_hidden", &S::ffn_hidden)
                 .at_least(1)
                 .at_most(10 * most_hidden)
                 .otherwise("gpt: 4 x hidden; llama: required")
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
                 .describe("Sequence length it was made for."),
             Field::choice("position", &S::position,
                           {{"learned", PositionKind::learned},
                            {"rotary", PositionKind::rotary},
                            {"alibi", PositionKind::alibi},
                            {"none", PositionKind::none}})
                 .otherwise("gpt: learned; llama: rotary")
                 .describe("Position encoding."),
             Field::choice("norm", &S::norm,
                           {{"layer_norm", NormKind::layer_norm}, {"rms_norm", NormKind::rms_norm}})
                 .otherwise("gpt: layer_norm; llama: rms_norm")
                 .describe("Normalization."),
             Field::choice("activation", &S::activation,
                           {{"gelu", ActivationKind::gelu},
                            {"swiglu", ActivationKind::swiglu},
                            {"relu", ActivationKind::relu}})
                 .otherwise("gpt: gelu; llama: swiglu")
                 .describe("Feed-forward activation."),
             Field::boolean("bias", &S::bias)
                 .otherwise("gpt: true; llama: false")
                 .describe("Biases on every linear layer and layer norm."),
             Field::boolean("tied_embeddings", &S::tied_embeddings)
                 .otherwise("gpt: true; llama: false")
                 .describe("The output projection shares the embedding's weights."),
             Field::boolean("embedding_norm", &S::embedding_norm)
                 .describe("A normalization right after the embedding."),
             Field::number("dropout", &S::dropout)
                 .at_least(0)
                 .below(1)
                 .otherwise("gpt: 0.1; llama: 0")
                 .describe("Dropout rate; 0 leaves the kernels out."),
             Field::number("published_parameters", &S::published_parameters)
                 .at_least(0)
                 .describe("Parameters, as the publication counts them."),
             Field::text("source", &S::source).describe("Where the shape is published.")}};
}

}  // namespace

const schema::Table<TransformerShape>& transformer_table() {
    static const schema::Table<TransformerShape> table = make_table();
    return table;
}

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
