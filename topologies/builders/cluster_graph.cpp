// topologies/builders/cluster_graph.cpp
//
// Nodes wired inside, joined by a fabric: the graph of every cluster but a torus.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

/// The nodes of one kind with their ways.
struct WiredNodes {
    PlacedNodes placed;
    std::unique_ptr<PcieTree> pcie;
    std::unique_ptr<InsideNode> inside;
};

/// Where a device stands.
struct DevicePlace {
    const WiredNodes* kind = nullptr;
    std::uint32_t node = 0;   ///< among its kind
    std::uint32_t local = 0;  ///< in its node
    std::uint32_t port = 0;   ///< its number in the node

    [[nodiscard]] std::uint32_t global_port() const {
        return kind->placed.first_port + node * static_cast<std::uint32_t>(kind->placed.node.ports()) + port;
    }
};

class ClusterRouter : public Router {
  public:
    std::vector<WiredNodes> kinds;
    std::unique_ptr<BetweenNodes> fabric;

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        DevicePlace a = place(from);
        const DevicePlace b = place(to);
        if (a.kind == b.kind && a.node == b.node)
            return a.kind->inside->route(a.node, a.local, b.local, flow, way);
        check_port(a);
        check_port(b);
        if (!fabric->joins(a.port, b.port)) {
            const std::uint32_t proxy = device_of_port(a, b.port);
            if (proxy != a.local) a.kind->inside->route(a.node, a.local, proxy, flow, way);
            a.local = proxy;
            a.port = b.port;
        }
        a.kind->pcie->to_port(a.node, a.local, way);
        fabric->route(a.global_port(), b.global_port(), flow, way);
        b.kind->pcie->from_port(b.node, b.local, way);
    }

    void host_route(std::uint32_t device, bool to_host, Way& way) const override {
        const DevicePlace at = place(device);
        at.kind->pcie->host(at.node, at.local, to_host, way);
    }

  private:
    [[nodiscard]] DevicePlace place(std::uint32_t device) const {
        const auto after = std::upper_bound(
            kinds.begin(), kinds.end(), device,
            [](std::uint32_t d, const WiredNodes& kind) { return d < kind.placed.first_device; });
        DevicePlace at;
        at.kind = &*std::prev(after);
        const Node& node = at.kind->placed.node;
        const std::uint32_t inside = device - at.kind->placed.first_device;
        at.node = inside / static_cast<std::uint32_t>(node.gpus);
        at.local = inside % static_cast<std::uint32_t>(node.gpus);
        if (node.ports() > 0) at.port = static_cast<std::uint32_t>(node.port_of(static_cast<int>(at.local)));
        return at;
    }

    void check_port(const DevicePlace& at) const {
        const Node& node = at.kind->placed.node;
        if (!fabric || node.ports() == 0 || node.nic_bandwidth <= 0)
            throw ExperimentError(fmt::format("node {} has no network card to reach other nodes", node.name));
    }

    /// The first GPU of the node that uses the port.
    static std::uint32_t device_of_port(const DevicePlace& at, std::uint32_t port) {
        const Node& node = at.kind->placed.node;
        const int ports = node.ports();
        if (static_cast<int>(port) >= ports)
            throw ExperimentError(fmt::format("node {} has no network card on rail {}", node.name, port));
        return static_cast<std::uint32_t>((static_cast<int>(port) * node.gpus + ports - 1) / ports);
    }
};

std::unique_ptr<InsideNode> build_inside(GraphWriter& writer, const PlacedNodes& nodes,
                                         const PcieTree& pcie) {
    switch (nodes.node.fabric) {
        case NodeFabric::pcie:
            return build_pcie_node(pcie);
        case NodeFabric::nvlink_mesh:
            return build_mesh_node(writer, nodes);
        case NodeFabric::none:
        case NodeFabric::nvswitch:
        case NodeFabric::ici:
            break;
    }
    return build_switched_node(writer, nodes);
}

Ports ports_of(const std::vector<WiredNodes>& kinds) {
    Ports ports;
    for (const WiredNodes& kind : kinds) {
        const Node& node = kind.placed.node;
        const auto here = static_cast<std::uint32_t>(node.ports());
        ports.rails = std::max(ports.rails, here);
        ports.nodes += kind.placed.nodes;
        for (std::uint32_t n = 0; n < kind.placed.nodes; ++n)
            for (std::uint32_t p = 0; p < here; ++p) {
                ports.vertex.push_back(kind.pcie->port_vertex(n, p));
                ports.node.push_back(kind.placed.first_node + n);
                ports.rail.push_back(p);
                ports.bandwidth.push_back(node.port_bandwidth(static_cast<int>(p)));
                ports.latency_s.push_back(node.nic_latency_s);
            }
    }
    return ports;
}

std::unique_ptr<BetweenNodes> build_fabric(GraphWriter& writer, const Ports& ports, const Fabric& fabric) {
    switch (fabric.kind) {
        case FabricKind::rail_optimised:
            return build_rail_optimised(writer, ports, fabric);
        case FabricKind::rail_only:
            return build_rail_only(writer, ports, fabric);
        case FabricKind::dragonfly:
            return build_dragonfly(writer, ports, fabric);
        case FabricKind::dragonfly_plus:
            return build_dragonfly_plus(writer, ports, fabric);
        case FabricKind::fat_tree:
        case FabricKind::torus:
            break;
    }
    return build_fat_tree(writer, ports, fabric);
}

}  // namespace

std::vector<PlacedNodes> placed_nodes(const Cluster& cluster) {
    std::vector<NodeGroup> groups = cluster.groups;
    if (groups.empty()) groups.push_back({cluster.node, cluster.nodes});
    std::vector<PlacedNodes> all;
    PlacedNodes next;
    for (const NodeGroup& group : groups) {
        next.node = group.node;
        next.nodes = static_cast<std::uint32_t>(group.nodes);
        all.push_back(next);
        next.first_node += next.nodes;
        next.first_device += next.nodes * static_cast<std::uint32_t>(group.node.gpus);
        next.first_port += next.nodes * static_cast<std::uint32_t>(group.node.ports());
    }
    return all;
}

Graph build_graph(const Cluster& cluster) {
    if (cluster.custom) return build_custom(cluster);
    if (cluster.fabric.kind == FabricKind::torus) return build_torus(cluster);
    GraphWriter writer(cluster.name, static_cast<std::uint32_t>(cluster.devices()), numbered("gpu {}"));
    auto router = std::make_shared<ClusterRouter>();
    for (const PlacedNodes& placed : placed_nodes(cluster)) {
        WiredNodes wired;
        wired.placed = placed;
        wired.pcie = std::make_unique<PcieTree>(writer, placed);
        wired.inside = build_inside(writer, placed, *wired.pcie);
        router->kinds.push_back(std::move(wired));
    }
    const Ports ports = ports_of(router->kinds);
    if (!ports.node.empty() && cluster.nodes > 1)
        router->fabric = build_fabric(writer, ports, cluster.fabric);
    return writer.finish(std::move(router));
}

}  // namespace orrery::topologies
