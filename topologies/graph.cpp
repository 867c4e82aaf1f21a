#include "topologies/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace orrery::topologies {
namespace {

constexpr std::array<std::string_view, kTiers> kTierNames{"nvlink", "xgmi",  "pcie",  "ici",    "nic",
                                                          "leaf",   "spine", "local", "global", "wan"};

/// The block that holds the index.
template <class Blocks>
const auto& block_of(const Blocks& blocks, std::uint32_t index) {
    const auto after = std::upper_bound(blocks.begin(), blocks.end(), index,
                                        [](std::uint32_t i, const auto& block) { return i < block.first; });
    return *std::prev(after);
}

}  // namespace

std::string_view to_string(Tier tier) {
    return kTierNames[static_cast<std::size_t>(tier)];
}

std::string_view to_string(VertexKind kind) {
    constexpr std::array<std::string_view, 9> names{"device", "NVSwitch", "PCIe switch", "host",  "leaf",
                                                    "spine",  "core",     "router",      "border"};
    return names[static_cast<std::size_t>(kind)];
}

std::uint64_t spread(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15ULL;
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31U);
}

std::uint64_t flow_of(std::uint32_t from, std::uint32_t to, std::uint32_t channel) {
    return spread((std::uint64_t{from} << 32U | to) + spread(channel));
}

void Router::host_route(std::uint32_t /*device*/, bool /*to_host*/, Way& /*way*/) const {}

VertexKind Graph::kind(VertexId vertex) const {
    return block_of(vertex_blocks, vertex).kind;
}

std::string Graph::vertex_name(VertexId vertex) const {
    const Block& block = block_of(vertex_blocks, vertex);
    return block.name(vertex - block.first);
}

std::string Graph::link_name(LinkId link) const {
    const Block& block = block_of(cable_blocks, link / 2);
    return block.name(link / 2 - block.first) + (link % 2 == 0 ? " out" : " in");
}

std::optional<LinkId> Graph::find_cable(std::string_view name) const {
    for (const Block& block : cable_blocks)
        for (std::uint32_t i = 0; i < block.count; ++i)
            if (block.name(i) == name) return 2 * (block.first + i);
    return std::nullopt;
}

std::vector<std::string> Graph::sample_cable_names() const {
    constexpr std::uint32_t few = 8;
    std::vector<std::string> names;
    for (const Block& block : cable_blocks)
        for (std::uint32_t i = 0; i < std::min(block.count, few); ++i) names.push_back(block.name(i));
    return names;
}

void Graph::route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const {
    way.clear();
    if (from >= device_count || to >= device_count)
        throw ExperimentError(fmt::format("the program uses device {}, but cluster {} has {} devices",
                                          from >= device_count ? from : to, title, device_count));
    if (from != to) router->route(from, to, flow, way);
}

void Graph::host_route(std::uint32_t device, bool to_host, Way& way) const {
    way.clear();
    if (device >= device_count)
        throw ExperimentError(fmt::format("the program uses device {}, but cluster {} has {} devices", device,
                                          title, device_count));
    router->host_route(device, to_host, way);
}

double Graph::latency_s(std::span<const LinkId> way) const {
    double sum = 0;
    for (const LinkId link : way) sum += latency_s(link);
    return sum;
}

GraphWriter::GraphWriter(std::string title, std::uint32_t devices, const Name& name) {
    made.title = std::move(title);
    made.device_count = devices;
    add_vertices(VertexKind::device, devices, name);
}

VertexId GraphWriter::add_vertices(VertexKind kind, std::uint32_t count, Name name) {
    const VertexId first = made.vertex_count;
    if (count == 0) return first;
    made.vertex_blocks.push_back({first, count, kind, std::move(name)});
    made.vertex_count += count;
    return first;
}

void GraphWriter::begin_cables(Name name) {
    // A sort of which none was added leaves no block.
    if (!made.cable_blocks.empty() && made.cable_blocks.back().count == 0) made.cable_blocks.pop_back();
    made.cable_blocks.push_back({made.links() / 2, 0, VertexKind::device, std::move(name)});
}

LinkId GraphWriter::connect(VertexId a, VertexId b, const Cable& cable) {
    return connect(a, b, cable, cable.bandwidth);
}

LinkId GraphWriter::connect(VertexId a, VertexId b, const Cable& cable, double bandwidth_back) {
    const LinkId link = made.links();
    made.bandwidths.insert(made.bandwidths.end(), {cable.bandwidth, bandwidth_back});
    made.latencies.push_back(cable.latency_s);
    made.tiers.push_back(cable.tier);
    made.ends.insert(made.ends.end(), {a, b});
    ++made.cable_blocks.back().count;
    return link;
}

void GraphWriter::scale(LinkId link, double factor) {
    made.bandwidths[link] *= factor;
    made.bandwidths[link ^ 1U] *= factor;
}

Graph GraphWriter::finish(std::shared_ptr<const Router> router) {
    if (!made.cable_blocks.empty() && made.cable_blocks.back().count == 0) made.cable_blocks.pop_back();
    made.router = std::move(router);
    return std::move(made);
}

GraphWriter::Name numbered(std::string pattern, std::vector<std::uint32_t> inner, std::uint32_t first) {
    return [pattern = std::move(pattern), inner = std::move(inner), first](std::uint32_t index) {
        std::vector<std::uint32_t> numbers(inner.size() + 1);
        index += first;
        for (std::size_t d = inner.size(); d > 0; --d) {
            numbers[d] = index % inner[d - 1];
            index /= inner[d - 1];
        }
        numbers[0] = index;
        std::string text;
        std::size_t next = 0;
        for (std::size_t at = 0; at < pattern.size(); ++at) {
            if (pattern[at] == '{' && next < numbers.size()) {
                text += std::to_string(numbers[next++]);
                ++at;  // the closing brace
            } else {
                text += pattern[at];
            }
        }
        return text;
    };
}

}  // namespace orrery::topologies
