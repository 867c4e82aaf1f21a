// topologies/builders/dragonfly.cpp
//
// Dragonfly (Kim, Dally, Scott, Abts 2008): nodes hang on routers (`nodes_per_leaf` each, with all their
// NICs), the routers of a group are joined each with each other, and so are the groups
// (dragonfly_groups.hpp). Routes are minimal: at most one local, one global and one local cable; among the
// cables between two groups that make the way shortest the flow chooses.
#include <fmt/format.h>

#include <algorithm>

#include "topologies/builders/builders.hpp"
#include "topologies/builders/dragonfly_groups.hpp"

namespace orrery::topologies {
namespace {

class Dragonfly : public BetweenNodes {
  public:
    Dragonfly(GraphWriter& writer, const Ports& all, const Fabric& description)
        : ports(all), fabric(description) {
        nodes_per_router = fabric.nodes_per_leaf > 0 ? static_cast<std::uint32_t>(fabric.nodes_per_leaf) : 1;
        per_group = static_cast<std::uint32_t>(std::max(1, fabric.routers_per_group));
        const std::uint32_t routers = (ports.nodes + nodes_per_router - 1) / nodes_per_router;
        between.groups = (routers + per_group - 1) / per_group;
        between.routers = per_group;
        between.cables_per_pair = static_cast<std::uint32_t>(std::max(1, fabric.global_cables));
        first_router = writer.add_vertices(VertexKind::router, between.groups * per_group,
                                           numbered("group {} router {}", {per_group}));
        add_ports(writer);
        add_local(writer);
        add_global(writer);
    }

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        const std::uint32_t a = router(from);
        const std::uint32_t b = router(to);
        way.push_back(first_port_link + 2 * from);
        if (a / per_group == b / per_group) {
            local(a / per_group, a % per_group, b % per_group, way);
        } else {
            global(a, b, flow, way);
        }
        way.push_back(first_port_link + 2 * to + 1);
    }

  private:
    [[nodiscard]] std::uint32_t router(std::uint32_t port) const {
        return ports.node[port] / nodes_per_router;
    }

    void add_ports(GraphWriter& writer) {
        writer.begin_cables([node = ports.node, rail = ports.rail](std::uint32_t port) {
            return fmt::format("node {} nic {}", node[port], rail[port]);
        });
        first_port_link = writer.graph().links();
        for (std::uint32_t p = 0; p < ports.node.size(); ++p)
            writer.connect(ports.vertex[p], first_router + router(p),
                           {ports.bandwidth[p], ports.latency_s[p] + fabric.switch_latency_s / 2, Tier::nic});
    }

    void add_local(GraphWriter& writer) {
        const std::uint32_t a = per_group;
        writer.begin_cables([a](std::uint32_t index) {
            const std::uint32_t group = index / (a * (a - 1) / 2);
            std::uint32_t left = index % (a * (a - 1) / 2);
            std::uint32_t i = 0;
            for (; left >= a - 1 - i; ++i) left -= a - 1 - i;
            return fmt::format("group {} routers {} {}", group, i, i + 1 + left);
        });
        first_local_link = writer.graph().links();
        for (std::uint32_t g = 0; g < between.groups; ++g)
            for (std::uint32_t i = 0; i < a; ++i)
                for (std::uint32_t j = i + 1; j < a; ++j)
                    writer.connect(first_router + g * a + i, first_router + g * a + j,
                                   {fabric.local_bandwidth, fabric.switch_latency_s, Tier::local});
    }

    void add_global(GraphWriter& writer) {
        first_global_link = connect_groups(writer, between, first_router, per_group, fabric);
    }

    void local(std::uint32_t group, std::uint32_t i, std::uint32_t j, Way& way) const {
        if (i == j) return;
        const std::uint32_t low = std::min(i, j);
        const std::uint32_t high = std::max(i, j);
        const std::uint32_t pair = low * per_group - low * (low + 1) / 2 + high - low - 1;
        way.push_back(first_local_link + 2 * (group * per_group * (per_group - 1) / 2 + pair) +
                      (i < j ? 0 : 1));
    }

    void global(std::uint32_t a, std::uint32_t b, std::uint64_t flow, Way& way) const {
        const std::uint32_t group_a = a / per_group;
        const std::uint32_t group_b = b / per_group;
        const auto hops = [&](std::uint32_t t) {
            return (between.router_of(group_a, group_b, t) == a % per_group ? 0 : 1) +
                   (between.router_of(group_b, group_a, t) == b % per_group ? 0 : 1);
        };
        int least = 2;
        for (std::uint32_t t = 0; t < between.cables_per_pair; ++t) least = std::min(least, hops(t));
        std::uint32_t choices = 0;
        for (std::uint32_t t = 0; t < between.cables_per_pair; ++t) choices += hops(t) == least ? 1 : 0;
        std::uint64_t left = (fabric.routing == Routing::fixed ? b : spread(flow)) % choices;
        std::uint32_t cable = 0;
        for (std::uint32_t t = 0; t < between.cables_per_pair; ++t)
            if (hops(t) == least && left-- == 0) {
                cable = t;
                break;
            }
        local(group_a, a % per_group, between.router_of(group_a, group_b, cable), way);
        way.push_back(first_global_link + 2 * between.cable(group_a, group_b, cable) +
                      (group_a < group_b ? 0 : 1));
        local(group_b, between.router_of(group_b, group_a, cable), b % per_group, way);
    }

    Ports ports;
    Fabric fabric;
    DragonflyGroups between;
    std::uint32_t nodes_per_router = 1;
    std::uint32_t per_group = 1;  ///< routers
    VertexId first_router = 0;
    LinkId first_port_link = 0;
    LinkId first_local_link = 0;
    LinkId first_global_link = 0;
};

}  // namespace

std::unique_ptr<BetweenNodes> build_dragonfly(GraphWriter& writer, const Ports& ports, const Fabric& fabric) {
    return std::make_unique<Dragonfly>(writer, ports, fabric);
}

}  // namespace orrery::topologies
