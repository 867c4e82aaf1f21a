#include "core/yaml_flow.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace orrery::yaml {
namespace {

/// Texts that need no quotes anywhere in a flow collection.
bool is_plain(std::string_view text) {
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return false;
    const auto harmless = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '/' ||
               c == '+';
    };
    const auto inner = [&](char c) { return harmless(c) || c == '-'; };
    // A dash or a dot in front could begin a list item or end a document; before a letter or digit it cannot.
    const bool dashed =
        text.size() > 1 && text[0] == '-' && std::isalnum(static_cast<unsigned char>(text[1])) != 0;
    return (harmless(text[0]) || dashed) && std::all_of(text.begin() + 1, text.end(), inner);
}

void append_text(std::string& out, std::string_view text, bool quoted) {
    if (!quoted && is_plain(text)) {
        out += text;
        return;
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20) {
            out += "\\x";
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
        } else {
            out += c;
        }
    }
    out += '"';
}

void append(std::string& out, const Node& node) {
    switch (node.kind) {
        case Kind::null:
            out += "~";
            return;
        case Kind::scalar:
            append_text(out, node.text, node.quoted);
            return;
        case Kind::sequence:
        case Kind::map:
            break;
    }
    const bool map = node.kind == Kind::map;
    out += map ? '{' : '[';
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        if (i != 0) out += ", ";
        if (map) {
            append_text(out, node.children[i].key, false);
            out += ": ";
        }
        append(out, node.children[i]);
    }
    out += map ? '}' : ']';
}

}  // namespace

std::string flow_text(const Node& node) {
    std::string text;
    append(text, node);
    return text;
}

}  // namespace orrery::yaml
