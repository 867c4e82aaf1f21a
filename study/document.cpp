#include "study/document.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "core/data_path.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kMostBases = 8;
constexpr std::size_t kLongestPath = 16;

/// Keys whose scalar stands for a map with that one key.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kShorthands = {
    {{"model", "base"},
     {"cluster", "node"},
     {"cluster.fabric", "base"},
     {"schedule", "name"},
     {"moe", "routing"},
     {"training.recompute", "policy"},
     {"training.offload", "target"},
     {"jitter", "deviation"}}};

/// The same of a path with any name in its place: "collectives.all-reduce", "sharing.dp".
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNamedShorthands = {
    {{"collectives.", "algorithm"}, {"sharing.", "weight"}}};

/// The key that a scalar at the path stands for, or empty.
std::string_view shorthand_of(std::string_view path) {
    for (const auto& [key, inner] : kShorthands)
        if (key == path) return inner;
    for (const auto& [prefix, inner] : kNamedShorthands)
        if (path.starts_with(prefix) && path.find('.', prefix.size()) == std::string_view::npos) return inner;
    return {};
}

yaml::Node take_base(yaml::Node& document) {
    for (std::size_t i = 0; i < document.children.size(); ++i) {
        if (document.children[i].key != "base") continue;
        yaml::Node base = std::move(document.children[i]);
        document.children.erase(document.children.begin() + static_cast<std::ptrdiff_t>(i));
        return base;
    }
    return {};
}

/// Places of an override's nodes are the argument itself, without line and column.
void forget_lines(yaml::Node& node) {
    node.line = node.column = node.key_line = node.key_column = 0;
    for (yaml::Node& child : node.children) forget_lines(child);
}

void expand_shorthand(yaml::Node& node, std::string_view path) {
    const std::string_view inner = shorthand_of(path);
    if (inner.empty() || node.kind != yaml::Kind::scalar) return;
    yaml::Node child = node;
    child.key = inner;
    node.kind = yaml::Kind::map;
    node.text.clear();
    node.children = {std::move(child)};
}

std::vector<std::string> split(std::string_view path, const Location& where) {
    std::vector<std::string> keys;
    while (true) {
        const std::size_t dot = path.find('.');
        keys.emplace_back(path.substr(0, dot));
        if (keys.back().empty())
            throw InputError(where, "", "an empty key; expected KEY=VALUE, as parallel.tp=4");
        if (keys.size() > kLongestPath) throw InputError(where, "", "the key has too many parts");
        if (dot == std::string_view::npos) return keys;
        path.remove_prefix(dot + 1);
    }
}

/// The child of a map, made when absent.
yaml::Node& child_of(yaml::Node& map, const std::string& key, const yaml::Node& place) {
    if (yaml::Node* child = map.find(key)) return *child;
    yaml::Node child;
    child.key = key;
    child.file = place.file;
    map.children.push_back(std::move(child));
    return map.children.back();
}

void require_map(yaml::Node& node, const std::string& path, const Location& where) {
    if (node.kind == yaml::Kind::null) node.kind = yaml::Kind::map;
    if (node.kind == yaml::Kind::map) return;
    throw InputError(where, path,
                     fmt::format("is {}, not a map, in the experiment", yaml::describe(node.kind)));
}

}  // namespace

void merge(yaml::Node& under, yaml::Node over) {
    if (under.kind != yaml::Kind::map || over.kind != yaml::Kind::map) {
        under = std::move(over);
        return;
    }
    for (yaml::Node& child : over.children) {
        if (yaml::Node* below = under.find(child.key)) {
            merge(*below, std::move(child));
        } else {
            under.children.push_back(std::move(child));
        }
    }
    // Mistakes of the merged map are shown in the file that the user wrote.
    under.file = over.file;
    under.line = over.line;
    under.column = over.column;
    under.key_line = over.key_line;
    under.key_column = over.key_column;
}

yaml::Node follow_bases(yaml::Node document) {
    std::vector<std::filesystem::path> followed;
    if (document.file && std::filesystem::exists(*document.file)) {
        followed.push_back(std::filesystem::weakly_canonical(*document.file));
    }
    std::vector<yaml::Node> layers;
    layers.push_back(std::move(document));
    while (layers.back().find("base") != nullptr) {
        const yaml::Node base = take_base(layers.back());
        if (base.kind != yaml::Kind::scalar) {
            throw InputError(base.where(), "base",
                             fmt::format("expected a file's name, got {}", yaml::describe(base.kind)));
        }
        if (layers.size() > kMostBases) {
            throw InputError(base.where(), "base",
                             fmt::format("bases chain deeper than {} files", kMostBases));
        }
        const std::filesystem::path path = data_file("configs", base.text, "base", base.where(), "base");
        const std::filesystem::path canonical = std::filesystem::weakly_canonical(path);
        for (const std::filesystem::path& earlier : followed) {
            if (earlier == canonical) {
                throw InputError(base.where(), "base", fmt::format("'{}' leads back to itself", base.text));
            }
        }
        followed.push_back(canonical);
        layers.push_back(yaml::read(path));
    }
    yaml::Node result = std::move(layers.back());
    for (std::size_t i = layers.size() - 1; i-- > 0;) merge(result, std::move(layers[i]));
    return result;
}

namespace {

/// The node at a dotted key, made where it is absent.
yaml::Node& node_at(yaml::Node& document, std::string_view dotted_key, const yaml::Node& place,
                    const Location& where) {
    yaml::Node* node = &document;
    std::string path;
    for (const std::string& key : split(dotted_key, where)) {
        expand_shorthand(*node, path);
        require_map(*node, path, where);
        node = &child_of(*node, key, place);
        path += (path.empty() ? "" : ".") + key;
    }
    return *node;
}

}  // namespace

void apply_override(yaml::Node& document, const std::string& key_and_value) {
    const std::string name = "--set " + key_and_value;
    const Location where{name};
    const std::size_t equals = key_and_value.find('=');
    if (equals == std::string::npos) throw InputError(where, "", "expected KEY=VALUE, as parallel.tp=4");
    if (std::string_view(key_and_value).substr(0, equals) == "base")
        throw InputError(where, "base", "settings are laid over what a base gives; expected it in the file");
    yaml::Node value = yaml::parse(std::string_view(key_and_value).substr(equals + 1), name);
    forget_lines(value);
    yaml::Node& node = node_at(document, std::string_view(key_and_value).substr(0, equals), value, where);
    value.key = node.key;
    node = std::move(value);
}

void lay_over(yaml::Node& document, std::string_view dotted_key, yaml::Node value, const Location& where) {
    yaml::Node& node = node_at(document, dotted_key, value, where);
    if (value.kind == yaml::Kind::map) expand_shorthand(node, dotted_key);
    value.key = node.key;
    merge(node, std::move(value));
}

const yaml::Node& deepest(const yaml::Node& document, std::string_view dotted_path) {
    const yaml::Node* node = &document;
    while (!dotted_path.empty()) {
        const std::size_t dot = dotted_path.find('.');
        const yaml::Node* child = node->find(dotted_path.substr(0, dot));
        if (child == nullptr) break;
        node = child;
        if (dot == std::string_view::npos) break;
        dotted_path.remove_prefix(dot + 1);
    }
    return *node;
}

}  // namespace orrery::study
