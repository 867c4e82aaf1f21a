// core/yaml.hpp
//
// Safe reading of YAML: a plain tree in which every node knows its file, line and column.
//
// yaml-cpp 0.7 does the parsing, event by event; the tree is ours, so that hostile files meet limits before
// they cost memory or stack. Refused with an InputError: anything yaml-cpp refuses, bytes that are not UTF-8,
// control characters, duplicate keys, keys that are not scalars, a second document, tags outside of YAML's
// own, aliases that would expand beyond the limits or that contain themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace orrery::yaml {

enum class Kind : std::uint8_t { null, scalar, sequence, map };

/// A node and all below it. The children of a map carry their keys.
struct Node {
    Kind kind = Kind::null;
    std::string text;     ///< scalar: its text, unquoted
    bool quoted = false;  ///< scalar: written in quotes or as a block, hence text whatever it looks like
    std::vector<Node> children;

    std::string key;  ///< of a map's child

    std::shared_ptr<const std::string> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t key_line = 0;
    std::uint32_t key_column = 0;

    /// Where the value stands, and where its key does.
    [[nodiscard]] Location where() const;
    [[nodiscard]] Location key_where() const;

    /// The child of a map with that key, or null.
    [[nodiscard]] const Node* find(std::string_view child_key) const;
    [[nodiscard]] Node* find(std::string_view child_key);
};

struct Limits {
    std::size_t bytes = std::size_t{4} << 20;
    std::size_t depth = 64;         ///< collections inside collections
    std::size_t nodes = 1'000'000;  ///< with aliases expanded
};

/// Parses one document. `name` stands for the file in error messages. An empty document is a null node.
Node parse(std::string_view bytes, const std::string& name, const Limits& limits = {});

/// Reads and parses a file.
Node read(const std::filesystem::path& path, const Limits& limits = {});

/// "a map", "a list", "a text", "nothing": for messages.
std::string_view describe(Kind kind);

}  // namespace orrery::yaml
