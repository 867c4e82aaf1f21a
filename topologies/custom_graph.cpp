#include "topologies/custom_graph.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "core/data_path.hpp"
#include "core/nearest_name.hpp"

namespace orrery::topologies {
namespace {

constexpr std::size_t kMostSwitches = 100'000;
constexpr std::size_t kMostWires = 1'000'000;
/// Distances from every vertex to every device are kept.
constexpr std::size_t kMostDistances = 16'000'000;

struct LinkText {
    std::string from, to;
    double bandwidth = 0;
    std::optional<double> bandwidth_back;
    double latency_s = 0;
    Tier tier = Tier::leaf;
    std::uint32_t metric = 1;
};

struct GraphText {
    std::vector<std::string> switches;
    std::vector<LinkText> links;
    Routing routing = Routing::ecmp;
    bool gpus_forward = false;
};

const schema::Table<LinkText>& link_table() {
    using Field = schema::Field<LinkText>;
    std::vector<std::pair<std::string, Tier>> tiers;
    for (std::size_t i = 0; i < kTiers; ++i)
        tiers.emplace_back(std::string(to_string(static_cast<Tier>(i))), static_cast<Tier>(i));
    static const schema::Table<LinkText> table{
        "link",
        "A cable, or several of one sort.",
        {Field::text("from", &LinkText::from).required().describe("\"gpu 0\", \"gpu 0..7\" or a switch."),
         Field::text("to", &LinkText::to).required().describe("The other end: likewise."),
         Field::number("bandwidth", &LinkText::bandwidth)
             .above(0)
             .at_most(1e18)
             .required()
             .unit("bytes/s")
             .describe("From `from` to `to`."),
         Field::number("bandwidth_back", &LinkText::bandwidth_back)
             .above(0)
             .at_most(1e18)
             .unit("bytes/s")
             .otherwise("the same")
             .describe("From `to` to `from`."),
         Field::number("latency_s", &LinkText::latency_s)
             .at_least(0)
             .at_most(10)
             .unit("s")
             .describe("Time for a first byte."),
         Field::choice("tier", &LinkText::tier, tiers).describe("What its bytes are counted as."),
         Field::integer("metric", &LinkText::metric)
             .at_least(1)
             .at_most(1000)
             .describe("Ways take the links whose metrics sum up to the least.")}};
    return table;
}

const schema::Table<GraphText>& graph_table() {
    using Field = schema::Field<GraphText>;
    static const schema::Table<GraphText> table{
        "graph",
        "A network of the user's own: devices, switches, links.",
        {Field::list("switches", &GraphText::switches).describe("Their names; \"leaf 0..3\" is four."),
         Field::list("links", &GraphText::links, link_table()).required().describe("The cables."),
         Field::choice("routing", &GraphText::routing, {{"ecmp", Routing::ecmp}, {"fixed", Routing::fixed}})
             .describe("How a message chooses among equally short ways: by its flow, or by its destination."),
         Field::boolean("gpus_forward", &GraphText::gpus_forward)
             .describe("Messages may pass through GPUs on their way.")}};
    return table;
}

/// "leaf 0..3" as its parts: "leaf ", 0, 3. A name without a range is itself, once.
struct Range {
    std::string stem;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    bool numbered = false;
};

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

Range range_of(const std::string& text) {
    const std::size_t dots = text.rfind("..");
    if (dots == std::string::npos) return {text, 0, 0, false};
    std::size_t digits = dots;
    while (digits > 0 && text[digits - 1] >= '0' && text[digits - 1] <= '9') --digits;
    const auto first = number(std::string_view(text).substr(digits, dots - digits));
    const auto last = number(std::string_view(text).substr(dots + 2));
    if (!first || !last || *last < *first || *last - *first >= kMostWires) return {text, 0, 0, false};
    return {text.substr(0, digits), *first, *last, true};
}

std::vector<std::string> expand(const std::string& text) {
    const Range range = range_of(text);
    if (!range.numbered) return {text};
    std::vector<std::string> names;
    for (std::uint32_t i = range.first; i <= range.last; ++i) names.push_back(range.stem + std::to_string(i));
    return names;
}

class Reader {
  public:
    Reader(const yaml::Node& node, std::string prefix, int device_count)
        : written(node), key(std::move(prefix)), devices(device_count) {}

    CustomGraph read() {
        GraphText text;
        schema::Problems problems;
        schema::read_into(text, graph_table(), written, schema::Scope{key, &problems});
        problems.throw_if_any();
        made.devices = static_cast<std::uint32_t>(devices);
        made.routing = text.routing;
        made.gpus_forward = text.gpus_forward;
        for (std::size_t i = 0; i < text.switches.size(); ++i) add_switches(text.switches[i], i);
        const std::size_t vertices = made.switches.size() + made.devices;
        if (vertices * made.devices > kMostDistances)
            fail("", 0, "",
                 fmt::format("{} devices and {} switches are too many for a graph from a file", devices,
                             made.switches.size()));
        for (std::size_t i = 0; i < text.links.size(); ++i) add_links(text.links[i], i);
        return std::move(made);
    }

  private:
    [[noreturn]] void fail(const std::string& list, std::size_t index, const std::string& field,
                           const std::string& message) const {
        const yaml::Node* at = &written;
        std::string path = key;
        if (const yaml::Node* found = list.empty() ? nullptr : written.find(list)) {
            at = &found->children[index];
            path += (path.empty() ? "" : ".") + fmt::format("{}[{}]", list, index);
            if (const yaml::Node* inner = at->find(field)) at = inner;
            if (!field.empty()) path += "." + field;
        }
        throw InputError(at->where(), path, message);
    }

    void add_switches(const std::string& text, std::size_t index) {
        for (std::string& name : expand(text)) {
            if (name.starts_with("gpu ")) fail("switches", index, "", "\"gpu N\" is a device, not a switch");
            if (made.switches.size() >= kMostSwitches)
                fail("switches", index, "", fmt::format("more than {} switches", kMostSwitches));
            const auto vertex = static_cast<VertexId>(devices) + static_cast<VertexId>(made.switches.size());
            if (!numbers.emplace(name, vertex).second)
                fail("switches", index, "", fmt::format("'{}' is there twice", name));
            made.switches.push_back(std::move(name));
        }
    }

    std::vector<VertexId> ends(const std::string& text, std::size_t index, const char* field) const {
        std::vector<VertexId> all;
        for (const std::string& name : expand(text)) {
            const auto device =
                name.starts_with("gpu ") ? number(std::string_view(name).substr(4)) : std::nullopt;
            if (device) {
                if (*device >= made.devices)
                    fail("links", index, field,
                         fmt::format("'{}': the cluster has the {} devices gpu 0 to gpu {}", name, devices,
                                     devices - 1));
                all.push_back(*device);
            } else if (const auto found = numbers.find(name); found != numbers.end()) {
                all.push_back(found->second);
            } else {
                fail("links", index, field, unknown_name("end", name, near_names()));
            }
        }
        return all;
    }

    [[nodiscard]] std::vector<std::string> near_names() const {
        std::vector<std::string> names{"gpu 0"};
        names.insert(names.end(), made.switches.begin(),
                     made.switches.begin() +
                         static_cast<std::ptrdiff_t>(std::min<std::size_t>(made.switches.size(), 100)));
        return names;
    }

    void add_links(const LinkText& text, std::size_t index) {
        const std::vector<VertexId> from = ends(text.from, index, "from");
        const std::vector<VertexId> to = ends(text.to, index, "to");
        if (from.size() * to.size() + made.wires.size() > kMostWires)
            fail("links", index, "", fmt::format("more than {} cables", kMostWires));
        for (const VertexId a : from)
            for (const VertexId b : to) {
                if (a == b) fail("links", index, "to", "joins a place with itself");
                made.wires.push_back({a,
                                      b,
                                      {text.bandwidth, text.latency_s, text.tier},
                                      text.bandwidth_back.value_or(text.bandwidth),
                                      text.metric});
            }
    }

    const yaml::Node& written;
    std::string key;
    int devices = 0;
    CustomGraph made;
    std::unordered_map<std::string, VertexId> numbers;
};

}  // namespace

CustomGraph read_custom_graph(const yaml::Node& written, const std::string& key, int devices) {
    if (written.kind == yaml::Kind::scalar) {
        const yaml::Node file =
            yaml::read(data_file("topologies/zoo/graphs", written.text, "graph", written.where(), key));
        return Reader(file, "", devices).read();
    }
    return Reader(written, key, devices).read();
}

schema::Shape custom_graph_shape() {
    const nlohmann::ordered_json shape = {{"oneOf", {{{"type", "string"}}, *graph_table().shape()}}};
    return std::make_shared<const nlohmann::ordered_json>(shape);
}

}  // namespace orrery::topologies
