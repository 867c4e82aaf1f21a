#include "sim/engine/network.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "topologies/builders/builders.hpp"

namespace orrery::sim {
namespace {

/// A group's members on one node, in their order, and which of them are the first of each of its NICs.
struct NodeMembers {
    std::vector<std::uint32_t> members;
    std::vector<std::size_t> starts;
};

/// In order of first appearance.
std::vector<NodeMembers> by_node(const std::vector<std::uint32_t>& devices,
                                 const topologies::Cluster& cluster) {
    std::vector<NodeMembers> nodes;
    std::map<int, std::size_t> index;
    for (const std::uint32_t device : devices) {
        const auto [at, fresh] = index.emplace(cluster.node_of(device), nodes.size());
        if (fresh) nodes.emplace_back();
        nodes[at->second].members.push_back(device);
    }
    for (NodeMembers& node : nodes) {
        const topologies::Node& kind = cluster.node_at(node.members.front());
        if (kind.ports() == 0) continue;
        std::set<int> nics;
        for (std::size_t i = 0; i < node.members.size(); ++i)
            if (nics.insert(kind.port_of(cluster.place_in_node(node.members[i]))).second)
                node.starts.push_back(i);
    }
    return nodes;
}

}  // namespace

Network::Network(const topologies::Cluster& cluster)
    : on(cluster), wires(std::make_shared<topologies::Graph>(topologies::build_graph(cluster))) {}

NetworkLink Network::link(std::uint32_t index) const {
    return {wires->link_name(index), wires->bandwidth(index), wires->latency_s(index), wires->tier(index)};
}

const std::vector<NetworkLink>& Network::links() const {
    std::call_once(named->once, [this] {
        named->links.reserve(link_count());
        for (std::uint32_t i = 0; i < link_count(); ++i) named->links.push_back(link(i));
    });
    return named->links;
}

NetworkRoute Network::route(std::uint32_t from, std::uint32_t to, std::uint32_t channel) const {
    NetworkRoute route;
    wires->route(from, to, topologies::flow_of(from, to, channel), route.links);
    route.latency_s = wires->latency_s(route.links);
    return route;
}

std::vector<std::vector<std::uint32_t>> Network::rings(const std::vector<std::uint32_t>& devices) const {
    const std::vector<NodeMembers> nodes = by_node(devices, on);
    std::size_t rings = nodes.size() < 2 ? 1 : nodes.front().starts.size();
    for (const NodeMembers& node : nodes)
        rings = std::min(rings, std::max<std::size_t>(1, node.starts.size()));

    const topologies::FabricKind fabric = on.fabric.kind;
    const bool on_rails = !on.custom && (fabric == topologies::FabricKind::rail_optimised ||
                                         fabric == topologies::FabricKind::rail_only);
    std::vector<std::vector<std::uint32_t>> result;
    for (std::size_t ring = 0; ring < std::max<std::size_t>(1, rings); ++ring) {
        std::vector<std::uint32_t>& order = result.emplace_back();
        for (std::size_t n = 0; n < nodes.size(); ++n) {
            const std::vector<std::uint32_t>& members = nodes[n].members;
            const std::size_t start = rings < 2 ? 0 : nodes[n].starts[ring * nodes[n].starts.size() / rings];
            for (std::size_t i = 0; i < members.size(); ++i)
                order.push_back(members[(start + i) % members.size()]);
            if (on_rails && rings > 1 && n % 2 == 1)
                std::reverse(order.end() - static_cast<std::ptrdiff_t>(members.size()), order.end());
        }
    }
    return result;
}

}  // namespace orrery::sim
