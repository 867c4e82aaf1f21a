// topologies/builders/switched_node.cpp
//
// A node, or an NVLink domain of several trays (GB200 NVL72), whose GPUs hang on one NVSwitch fabric. A GPU's
// links are striped over all its switches, packet by packet, so its links are one, and the switches, which
// carry all of them at full rate, do not limit. Half of the latency between two GPUs lies on each side.
#include <fmt/format.h>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

class SwitchedNode : public InsideNode {
  public:
    SwitchedNode(GraphWriter& writer, const PlacedNodes& placed) : nodes(placed) {
        const Node& node = nodes.node;
        if (node.gpu_link_bandwidth <= 0) return;
        const auto gpus = static_cast<std::uint32_t>(node.gpus);
        const VertexId first = writer.add_vertices(VertexKind::node_switch, nodes.nodes,
                                                   numbered("node {} switch", {}, nodes.first_node));
        writer.begin_cables(numbered("gpu {}", {}, nodes.first_device));
        first_link = writer.graph().links();
        for (std::uint32_t i = 0; i < nodes.nodes * gpus; ++i)
            writer.connect(nodes.first_device + i, first + i / gpus,
                           {node.gpu_link_bandwidth, node.gpu_link_latency_s / 2, Tier::nvlink});
    }

    void route(std::uint32_t node, std::uint32_t from, std::uint32_t to, std::uint64_t /*flow*/,
               Way& way) const override {
        if (nodes.node.gpu_link_bandwidth <= 0)
            throw ExperimentError(fmt::format("node {} has no link between its GPUs", nodes.node.name));
        const LinkId base = first_link + 2 * node * static_cast<std::uint32_t>(nodes.node.gpus);
        way.push_back(base + 2 * from);
        way.push_back(base + 2 * to + 1);
    }

  private:
    PlacedNodes nodes;
    LinkId first_link = 0;
};

}  // namespace

std::unique_ptr<InsideNode> build_switched_node(GraphWriter& writer, const PlacedNodes& nodes) {
    return std::make_unique<SwitchedNode>(writer, nodes);
}

}  // namespace orrery::topologies
