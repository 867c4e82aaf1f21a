// topologies/builders/mesh_node.cpp
//
// A node whose GPUs are joined to each other: each with each other (MI300X, PCIe cards with NVLink bridges),
// or as listed (the hybrid cube mesh of DGX-1, NVIDIA's white paper WP-08437, figure 4). A GPU's bandwidth is
// divided over its links; links between the same two GPUs are one. GPUs that are not joined reach each other
// through the GPUs between them, along a shortest way; among those by the flow.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

constexpr std::uint32_t kFar = 0xFFFF;

std::vector<MeshCable> cables_of(const Node& node) {
    if (!node.mesh.empty()) return node.mesh;
    std::vector<MeshCable> all;
    for (int a = 0; a < node.gpus; ++a)
        for (int b = a + 1; b < node.gpus; ++b) all.push_back({a, b, 1});
    return all;
}

/// Links of the GPU that has most: a GPU's bandwidth is that of so many links.
int links_of_a_gpu(const Node& node, const std::vector<MeshCable>& cables) {
    std::vector<int> count(static_cast<std::size_t>(node.gpus), 0);
    for (const MeshCable& cable : cables) {
        count[static_cast<std::size_t>(cable.a)] += cable.links;
        count[static_cast<std::size_t>(cable.b)] += cable.links;
    }
    return std::max(1, *std::max_element(count.begin(), count.end()));
}

class MeshNode : public InsideNode {
  public:
    MeshNode(GraphWriter& writer, const PlacedNodes& placed)
        : name(placed.node.name), gpus(static_cast<std::uint32_t>(placed.node.gpus)) {
        const Node& node = placed.node;
        const std::vector<MeshCable> cables = cables_of(node);
        per_node = static_cast<std::uint32_t>(cables.size());
        links.assign(std::size_t{gpus} * gpus, 0);
        joined.assign(std::size_t{gpus} * gpus, false);
        for (std::uint32_t i = 0; i < per_node; ++i) {
            const auto a = static_cast<std::uint32_t>(cables[i].a);
            const auto b = static_cast<std::uint32_t>(cables[i].b);
            links[a * gpus + b] = 2 * i;
            links[b * gpus + a] = 2 * i + 1;
            joined[a * gpus + b] = joined[b * gpus + a] = true;
        }
        measure();
        const double one_link = node.gpu_link_bandwidth / links_of_a_gpu(node, cables);
        writer.begin_cables([=, first = placed.first_device, n = gpus](std::uint32_t index) {
            const std::uint32_t base = first + index / static_cast<std::uint32_t>(cables.size()) * n;
            const MeshCable& cable = cables[index % cables.size()];
            return fmt::format("gpu {} gpu {}", base + static_cast<std::uint32_t>(cable.a),
                               base + static_cast<std::uint32_t>(cable.b));
        });
        first_link = writer.graph().links();
        for (std::uint32_t n = 0; n < placed.nodes; ++n)
            for (const MeshCable& cable : cables)
                writer.connect(placed.device(n, static_cast<std::uint32_t>(cable.a)),
                               placed.device(n, static_cast<std::uint32_t>(cable.b)),
                               {one_link * cable.links, node.gpu_link_latency_s, Tier::nvlink});
    }

    void route(std::uint32_t node, std::uint32_t from, std::uint32_t to, std::uint64_t flow,
               Way& way) const override {
        if (far(from, to) >= kFar)
            throw ExperimentError(
                fmt::format("node {} has no link between its GPUs {} and {}", name, from, to));
        while (from != to) {
            const std::uint32_t next = step(from, to, flow);
            way.push_back(first_link + 2 * node * per_node + links[from * gpus + next]);
            from = next;
        }
    }

  private:
    [[nodiscard]] std::uint32_t far(std::uint32_t a, std::uint32_t b) const { return distance[a * gpus + b]; }

    /// Hops between all GPUs of a node (Floyd 1962).
    void measure() {
        distance.assign(std::size_t{gpus} * gpus, kFar);
        for (std::uint32_t a = 0; a < gpus; ++a)
            for (std::uint32_t b = 0; b < gpus; ++b)
                if (a == b || joined[a * gpus + b]) distance[a * gpus + b] = a == b ? 0 : 1;
        for (std::uint32_t via = 0; via < gpus; ++via)
            for (std::uint32_t a = 0; a < gpus; ++a)
                for (std::uint32_t b = 0; b < gpus; ++b)
                    distance[a * gpus + b] = std::min(far(a, b), far(a, via) + far(via, b));
    }

    [[nodiscard]] std::uint32_t step(std::uint32_t from, std::uint32_t to, std::uint64_t flow) const {
        std::uint32_t choices = 0;
        const auto nearer = [&](std::uint32_t via) {
            return joined[from * gpus + via] && far(via, to) + 1 == far(from, to);
        };
        for (std::uint32_t via = 0; via < gpus; ++via) choices += nearer(via) ? 1 : 0;
        std::uint64_t left = spread(flow) % choices;
        for (std::uint32_t via = 0; via < gpus; ++via)
            if (nearer(via) && left-- == 0) return via;
        return to;
    }

    std::string name;
    std::uint32_t gpus = 0;
    std::uint32_t per_node = 0;  ///< cables
    LinkId first_link = 0;
    std::vector<LinkId> links;            ///< [from, to] counted from the node's first
    std::vector<bool> joined;             ///< [from, to]
    std::vector<std::uint32_t> distance;  ///< [from, to] in hops
};

}  // namespace

std::unique_ptr<InsideNode> build_mesh_node(GraphWriter& writer, const PlacedNodes& nodes) {
    return std::make_unique<MeshNode>(writer, nodes);
}

}  // namespace orrery::topologies
