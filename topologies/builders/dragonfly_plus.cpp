// topologies/builders/dragonfly_plus.cpp
//
// Dragonfly+ (Shpiner et al. 2017; NVIDIA's dragonfly): a group is leaves, which nodes hang on
// (`nodes_per_leaf` each), and spines, each joined to every leaf of the group; the spines carry the cables
// between groups (dragonfly_groups.hpp). Routes are minimal: over any spine inside a group, over the two
// spines of a cable between groups; the flow chooses.
#include <fmt/format.h>

#include <algorithm>

#include "topologies/builders/builders.hpp"
#include "topologies/builders/dragonfly_groups.hpp"

namespace orrery::topologies {
namespace {

class DragonflyPlus : public BetweenNodes {
  public:
    DragonflyPlus(GraphWriter& writer, const Ports& all, const Fabric& description)
        : ports(all), fabric(description) {
        nodes_per_leaf = fabric.nodes_per_leaf > 0 ? static_cast<std::uint32_t>(fabric.nodes_per_leaf) : 1;
        leaves = static_cast<std::uint32_t>(std::max(1, fabric.routers_per_group));
        spines = fabric.spines_per_pod > 0 ? static_cast<std::uint32_t>(fabric.spines_per_pod) : leaves;
        const std::uint32_t all_leaves = (ports.nodes + nodes_per_leaf - 1) / nodes_per_leaf;
        between.groups = (all_leaves + leaves - 1) / leaves;
        between.routers = spines;
        between.cables_per_pair = static_cast<std::uint32_t>(std::max(1, fabric.global_cables));
        first_leaf = writer.add_vertices(VertexKind::leaf, between.groups * leaves,
                                         numbered("group {} leaf {}", {leaves}));
        first_spine = writer.add_vertices(VertexKind::spine, between.groups * spines,
                                          numbered("group {} spine {}", {spines}));
        add_ports(writer);
        add_cables(writer);
    }

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        const std::uint32_t a = leaf(from);
        const std::uint32_t b = leaf(to);
        const std::uint32_t group_a = a / leaves;
        const std::uint32_t group_b = b / leaves;
        const std::uint64_t choice = fabric.routing == Routing::fixed ? to : spread(flow);
        way.push_back(first_port_link + 2 * from);
        if (a != b && group_a == group_b) {
            const auto s = static_cast<std::uint32_t>(choice % spines);
            way.insert(way.end(), {local(a, s), local(b, s) + 1});
        } else if (a != b) {
            const auto t = static_cast<std::uint32_t>(choice % between.cables_per_pair);
            way.push_back(local(a, between.router_of(group_a, group_b, t)));
            way.push_back(first_global_link + 2 * between.cable(group_a, group_b, t) +
                          (group_a < group_b ? 0 : 1));
            way.push_back(local(b, between.router_of(group_b, group_a, t)) + 1);
        }
        way.push_back(first_port_link + 2 * to + 1);
    }

  private:
    [[nodiscard]] std::uint32_t leaf(std::uint32_t port) const { return ports.node[port] / nodes_per_leaf; }
    /// From a leaf (of all) to a spine of its group.
    [[nodiscard]] LinkId local(std::uint32_t of_leaf, std::uint32_t spine) const {
        return first_local_link + 2 * (of_leaf * spines + spine);
    }

    void add_ports(GraphWriter& writer) {
        writer.begin_cables([node = ports.node, rail = ports.rail](std::uint32_t port) {
            return fmt::format("node {} nic {}", node[port], rail[port]);
        });
        first_port_link = writer.graph().links();
        for (std::uint32_t p = 0; p < ports.node.size(); ++p)
            writer.connect(ports.vertex[p], first_leaf + leaf(p),
                           {ports.bandwidth[p], ports.latency_s[p] + fabric.switch_latency_s / 2, Tier::nic});
    }

    void add_cables(GraphWriter& writer) {
        writer.begin_cables(numbered("group {} leaf {} spine {}", {leaves, spines}));
        first_local_link = writer.graph().links();
        for (std::uint32_t l = 0; l < between.groups * leaves; ++l)
            for (std::uint32_t s = 0; s < spines; ++s)
                writer.connect(first_leaf + l, first_spine + l / leaves * spines + s,
                               {fabric.local_bandwidth, fabric.switch_latency_s, Tier::local});
        first_global_link = connect_groups(writer, between, first_spine, spines, fabric);
    }

    Ports ports;
    Fabric fabric;
    DragonflyGroups between;
    std::uint32_t nodes_per_leaf = 1;
    std::uint32_t leaves = 1;  ///< of a group
    std::uint32_t spines = 1;  ///< of a group
    VertexId first_leaf = 0;
    VertexId first_spine = 0;
    LinkId first_port_link = 0;
    LinkId first_local_link = 0;
    LinkId first_global_link = 0;
};

}  // namespace

std::unique_ptr<BetweenNodes> build_dragonfly_plus(GraphWriter& writer, const Ports& ports,
                                                   const Fabric& fabric) {
    return std::make_unique<DragonflyPlus>(writer, ports, fabric);
}

}  // namespace orrery::topologies
