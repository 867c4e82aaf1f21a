// topologies/builders/custom.cpp
//
// A graph from a file (topologies/custom_graph.hpp). Its structure is not known, so the distances of every
// vertex to every device are computed once (Dijkstra 1959, one run a device); a way takes at each vertex a
// link that leads nearer, chosen by the flow or by the destination where there are several.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/custom_graph.hpp"

namespace orrery::topologies {
namespace {

constexpr std::uint32_t kUnreachable = 0xFFFFFFFF;

class ShortestPaths : public Router {
  public:
    ShortestPaths(const CustomGraph& description, std::uint32_t vertex_count)
        : wires(description.wires),
          devices(description.devices),
          vertices(vertex_count),
          routing(description.routing),
          gpus_forward(description.gpus_forward) {
        first.assign(vertices + 1, 0);
        for (const CustomWire& wire : wires) ++first[wire.a + 1], ++first[wire.b + 1];
        for (VertexId v = 0; v < vertices; ++v) first[v + 1] += first[v];
        out.resize(first.back());
        std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
        for (LinkId cable = 0; cable < wires.size(); ++cable) {
            out[next[wires[cable].a]++] = 2 * cable;
            out[next[wires[cable].b]++] = 2 * cable + 1;
        }
        distance.assign(std::size_t{devices} * vertices, kUnreachable);
        for (std::uint32_t d = 0; d < devices; ++d) measure(d);
    }

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        const std::uint32_t* far = distance.data() + std::size_t{to} * vertices;
        if (far[from] == kUnreachable)
            throw ExperimentError(
                fmt::format("no way leads from gpu {} to gpu {}: the network is in parts", from, to));
        for (VertexId at = from; at != to;) {
            const LinkId link = choose(at, far, routing == Routing::fixed ? spread(to) : spread(flow + at));
            way.push_back(link);
            at = end(link);
        }
    }

  private:
    [[nodiscard]] VertexId end(LinkId link) const {
        return link % 2 == 0 ? wires[link / 2].b : wires[link / 2].a;
    }

    void measure(std::uint32_t to) {
        std::uint32_t* far = distance.data() + std::size_t{to} * vertices;
        using Entry = std::pair<std::uint32_t, VertexId>;
        std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
        far[to] = 0;
        open.emplace(0, to);
        while (!open.empty()) {
            const auto [length, at] = open.top();
            open.pop();
            if (length > far[at] || (at != to && at < devices && !gpus_forward)) continue;
            for (std::uint32_t i = first[at]; i < first[at + 1]; ++i) {
                const VertexId other = end(out[i]);
                const std::uint32_t longer = length + wires[out[i] / 2].metric;
                if (longer >= far[other]) continue;
                far[other] = longer;
                open.emplace(longer, other);
            }
        }
    }

    [[nodiscard]] bool nearer(VertexId at, LinkId link, const std::uint32_t* far) const {
        const VertexId other = end(link);
        if (other < devices && far[other] != 0 && !gpus_forward) return false;
        return far[other] != kUnreachable && far[other] + wires[link / 2].metric == far[at];
    }

    [[nodiscard]] LinkId choose(VertexId at, const std::uint32_t* far, std::uint64_t choice) const {
        std::uint32_t choices = 0;
        for (std::uint32_t i = first[at]; i < first[at + 1]; ++i) choices += nearer(at, out[i], far) ? 1 : 0;
        std::uint64_t left = choice % choices;
        for (std::uint32_t i = first[at]; i < first[at + 1]; ++i)
            if (nearer(at, out[i], far) && left-- == 0) return out[i];
        return out[first[at]];
    }

    std::vector<CustomWire> wires;
    std::uint32_t devices = 0;
    std::uint32_t vertices = 0;
    Routing routing = Routing::ecmp;
    bool gpus_forward = false;
    std::vector<std::uint32_t> first;     ///< [vertex + 1] into `out`
    std::vector<LinkId> out;              ///< links that leave the vertex
    std::vector<std::uint32_t> distance;  ///< [device, vertex] sum of metrics to the device
};

}  // namespace

Graph build_custom(const Cluster& cluster) {
    const CustomGraph& custom = *cluster.custom;
    if (custom.devices != static_cast<std::uint32_t>(cluster.devices()))
        throw ExperimentError(fmt::format("cluster {} has {} devices, its graph {}", cluster.name,
                                          cluster.devices(), custom.devices));
    GraphWriter writer(cluster.name, custom.devices, numbered("gpu {}"));
    writer.add_vertices(VertexKind::router, static_cast<std::uint32_t>(custom.switches.size()),
                        [names = custom.switches](std::uint32_t i) { return names[i]; });
    const std::uint32_t vertices = writer.graph().vertices();
    const auto named = [shared = cluster.custom](VertexId v) {
        return v < shared->devices ? fmt::format("gpu {}", v) : shared->switches[v - shared->devices];
    };
    writer.begin_cables([shared = cluster.custom, named](std::uint32_t i) {
        return named(shared->wires[i].a) + " - " + named(shared->wires[i].b);
    });
    for (const CustomWire& wire : custom.wires)
        writer.connect(wire.a, wire.b, wire.cable, wire.bandwidth_back);
    return writer.finish(std::make_shared<ShortestPaths>(custom, vertices));
}

}  // namespace orrery::topologies
