#include "core/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace orrery::yaml {
namespace {

using File = std::shared_ptr<const std::string>;

/// The length of the valid UTF-8 sequence that starts `bytes` (RFC 3629), or 0.
std::size_t utf8_length(std::string_view bytes) {
    const auto byte = [&bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return 0;
    }
    const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xed && byte(1) > 0x9f;
    const bool beyond = lead == 0xf4 && byte(1) > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

bool is_control(unsigned char byte) {
    return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
}

/// Only printable UTF-8 reaches yaml-cpp; it also keeps every string printable as JSON.
void check_characters(std::string_view bytes, const std::string& name) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i < bytes.size();) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const std::size_t length = utf8_length(bytes.substr(i));
        const bool end_of_line = byte == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n';
        if (length == 0) {
            throw InputError({name, line, column}, "", "this byte is not UTF-8; expected UTF-8 text");
        }
        if (is_control(byte) && !end_of_line) {
            throw InputError({name, line, column}, "",
                             fmt::format("control character 0x{:02x}; expected UTF-8 text", byte));
        }
        i += length;
        ++column;
        if (byte == '\n') {
            ++line;
            column = 1;
        }
    }
}

/// Builds the tree from yaml-cpp's events. Every event passes the limits before anything is kept, and before
/// yaml-cpp recurses into the collection that the event opens.
class TreeBuilder final : public YAML::EventHandler {
  public:
    TreeBuilder(File source, const Limits& allowed) : file(std::move(source)), limits(allowed) {
        root = node_at(YAML::Mark{}, Kind::null);
    }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents++ > 0) fail(mark, "a second document starts here; expected one document per file");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add(node_at(mark, Kind::null), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors.find(anchor);
        if (found == anchors.end()) fail(mark, "this alias stands inside the node it names");
        count(found->second.size, mark);
        Node copy = found->second.node;
        copy.key.clear();
        add(std::move(copy), YAML::NullAnchor, /*counted=*/true);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check_tag(mark, tag);
        // Escapes ("\0", "\x07") can write what check_characters refused.
        if (std::any_of(value.begin(), value.end(),
                        [](char c) { return is_control(static_cast<unsigned char>(c)); })) {
            fail(mark, "the text holds an escaped control character");
        }
        Node node = node_at(mark, Kind::scalar);
        node.text = value;
        node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
        add(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        open(mark, tag, anchor, Kind::sequence);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        open(mark, tag, anchor, Kind::map);
    }
    void OnMapEnd() override { close(); }

    Node root;

  private:
    struct Open {
        Node node;
        YAML::anchor_t anchor = YAML::NullAnchor;
        std::size_t nodes_before = 0;
        std::optional<Node> key;  ///< a map's key that awaits its value
        std::unordered_set<std::string> keys;
    };
    struct Anchored {
        Node node;
        std::size_t size = 0;
    };

    [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const {
        const Node here = node_at(mark, Kind::null);
        throw InputError(here.where(), "", message);
    }

    [[nodiscard]] Node node_at(const YAML::Mark& mark, Kind kind) const {
        Node node;
        node.kind = kind;
        node.file = file;
        node.line = static_cast<std::uint32_t>(mark.line + 1);
        node.column = static_cast<std::uint32_t>(mark.column + 1);
        return node;
    }

    void check_tag(const YAML::Mark& mark, const std::string& tag) const {
        const bool known = tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:");
        if (!known) fail(mark, "unknown tag; expected no tag");
    }

    void count(std::size_t more, const YAML::Mark& mark) {
        nodes += more;
        if (nodes > limits.nodes) {
            fail(mark,
                 fmt::format("more than {} nodes (aliases expanded); expected a smaller file", limits.nodes));
        }
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
        check_tag(mark, tag);
        if (stack.size() >= limits.depth) {
            fail(mark, fmt::format("collections nest deeper than {} levels", limits.depth));
        }
        stack.push_back({node_at(mark, kind), anchor, nodes, std::nullopt, {}});
    }

    void close() {
        Open closed = std::move(stack.back());
        stack.pop_back();
        if (closed.anchor != YAML::NullAnchor) {
            const YAML::Mark mark = mark_of(closed.node);
            const std::size_t size = nodes - closed.nodes_before + 1;
            count(size, mark);  // the copy kept for aliases
            anchors[closed.anchor] = {closed.node, size};
        }
        add(std::move(closed.node), YAML::NullAnchor);
    }

    static YAML::Mark mark_of(const Node& node) {
        YAML::Mark mark;
        mark.line = static_cast<int>(node.line) - 1;
        mark.column = static_cast<int>(node.column) - 1;
        return mark;
    }

    /// A complete node: goes to the root, into a list, or becomes a map's next key or value.
    void add(Node node, YAML::anchor_t anchor, bool counted = false) {
        if (!counted) count(1, mark_of(node));
        if (anchor != YAML::NullAnchor) anchors[anchor] = {node, 1};
        if (stack.empty()) {
            root = std::move(node);
            return;
        }
        Open& parent = stack.back();
        if (parent.node.kind == Kind::map && !parent.key) {
            take_key(parent, std::move(node));
            return;
        }
        if (parent.key) {
            node.key = std::move(parent.key->text);
            node.key_line = parent.key->line;
            node.key_column = parent.key->column;
            parent.key.reset();
        }
        parent.node.children.push_back(std::move(node));
    }

    void take_key(Open& map, Node key) const {
        if (key.kind != Kind::scalar) fail(mark_of(key), "expected a text as the key");
        if (!map.keys.insert(key.text).second) {
            throw InputError(key.where(), key.text, "this key stands twice in the same map");
        }
        map.key = std::move(key);
    }

    File file;
    Limits limits;
    int documents = 0;
    std::size_t nodes = 0;
    std::vector<Open> stack;
    std::unordered_map<YAML::anchor_t, Anchored> anchors;
};

}  // namespace

Location Node::where() const {
    return {file ? *file : std::string(), line, column};
}

Location Node::key_where() const {
    if (key_line == 0) return where();
    return {file ? *file : std::string(), key_line, key_column};
}

const Node* Node::find(std::string_view child_key) const {
    if (kind != Kind::map) return nullptr;
    const auto found = std::find_if(children.begin(), children.end(),
                                    [&](const Node& child) { return child.key == child_key; });
    return found == children.end() ? nullptr : &*found;
}

Node* Node::find(std::string_view child_key) {
    return const_cast<Node*>(std::as_const(*this).find(child_key));
}

Node parse(std::string_view bytes, const std::string& name, const Limits& limits) {
    if (bytes.size() > limits.bytes) {
        throw InputError({name}, "", fmt::format("is larger than the limit of {} bytes", limits.bytes));
    }
    if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
    check_characters(bytes, name);
    TreeBuilder builder(std::make_shared<const std::string>(name), limits);
    try {
        std::istringstream stream{std::string(bytes)};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const YAML::Exception& error) {
        Location where{name};
        if (!error.mark.is_null()) {
            where.line = static_cast<std::size_t>(error.mark.line) + 1;
            where.column = static_cast<std::size_t>(error.mark.column) + 1;
        }
        throw InputError(where, "", "not YAML: " + error.msg);
    }
    return std::move(builder.root);
}

std::string_view describe(Kind kind) {
    switch (kind) {
        case Kind::null:
            return "nothing";
        case Kind::scalar:
            return "a text";
        case Kind::sequence:
            return "a list";
        case Kind::map:
            return "a map";
    }
    return "nothing";
}

}  // namespace orrery::yaml
