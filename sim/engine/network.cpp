#include "sim/engine/network.hpp"

#include <algorithm>
#include <set>

#include "topologies/builders/builders.hpp"

namespace orrery::sim {

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
    // How many of the devices lie in a node, if it is the same number everywhere and they follow each other.
    const auto node = [this](std::uint32_t device) { return on.node_of(device); };
    std::size_t in_node = 0;
    while (in_node < devices.size() && node(devices[in_node]) == node(devices[0])) ++in_node;
    if (in_node < 2 || in_node == devices.size() || devices.size() % in_node != 0) return {devices};
    std::set<int> nodes;
    for (std::size_t i = 0; i < devices.size(); i += in_node) {
        const bool together = std::all_of(devices.begin() + static_cast<std::ptrdiff_t>(i),
                                          devices.begin() + static_cast<std::ptrdiff_t>(i + in_node),
                                          [&](std::uint32_t d) { return node(d) == node(devices[i]); });
        if (!together || !nodes.insert(node(devices[i])).second) return {devices};
    }
    const topologies::Node& kind = on.node_at(devices[0]);
    if (kind.ports() == 0) return {devices};
    std::set<int> nics;
    for (std::size_t i = 0; i < in_node; ++i) nics.insert(kind.port_of(on.place_in_node(devices[i])));

    const topologies::FabricKind fabric = on.fabric.kind;
    const bool on_rails = !on.custom && (fabric == topologies::FabricKind::rail_optimised ||
                                         fabric == topologies::FabricKind::rail_only);
    std::vector<std::vector<std::uint32_t>> result;
    for (std::size_t ring = 0; ring < nics.size(); ++ring) {
        std::vector<std::uint32_t>& order = result.emplace_back();
        for (std::size_t i = 0; i < devices.size(); ++i)
            order.push_back(devices[i / in_node * in_node + (i + ring * in_node / nics.size()) % in_node]);
        if (!on_rails) continue;
        for (std::size_t second = in_node; second < order.size(); second += 2 * in_node)
            std::reverse(order.begin() + static_cast<std::ptrdiff_t>(second),
                         order.begin() + static_cast<std::ptrdiff_t>(second + in_node));
    }
    return result;
}

}  // namespace orrery::sim
