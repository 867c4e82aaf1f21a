#include "sim/cost/group_placement.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "topologies/fabric.hpp"

namespace orrery::sim {
namespace {

void check_devices(std::span<const std::uint32_t> sorted, const topologies::Cluster& cluster) {
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
        throw SimulationError("device " + std::to_string(*twice) + " is twice in one group");
    if (!sorted.empty() && sorted.back() >= static_cast<std::uint32_t>(cluster.devices()))
        throw SimulationError("device " + std::to_string(sorted.back()) + " is not among the " +
                              std::to_string(cluster.devices()) + " of cluster " + cluster.name);
}

double network_bandwidth(const GroupPlacement& group, const topologies::Node& node, int sharing_groups) {
    const double all_nics = node.nics * node.nic_bandwidth;
    const double sharers =
        sharing_groups > 0 ? sharing_groups : static_cast<double>(node.gpus) / group.least_per_node;
    const double nics_a_gpu = std::max(1.0, static_cast<double>(node.nics) / node.gpus);
    const double own_nics =
        std::min<double>(group.least_per_node * nics_a_gpu, node.nics) * node.nic_bandwidth;
    return std::min(own_nics, all_nics / std::max(1.0, sharers));
}

/// A group moves at the pace of its slowest node's links; of several kinds of nodes each is looked at once.
void slowest_links(GroupPlacement& group, const topologies::Cluster& cluster, const std::vector<int>& nodes,
                   int sharing_groups) {
    const topologies::Node* last = nullptr;
    for (const int index : nodes) {
        const topologies::Node& node = cluster.kind_of_node(index);
        if (&node == last) continue;
        const double network = group.nodes > 1 ? network_bandwidth(group, node, sharing_groups) : 0;
        if (last == nullptr) {
            group.link_bandwidth = node.gpu_link_bandwidth;
            group.link_latency_s = node.gpu_link_latency_s;
            group.network_bandwidth = network;
        }
        group.link_bandwidth = std::min(group.link_bandwidth, node.gpu_link_bandwidth);
        group.link_latency_s = std::max(group.link_latency_s, node.gpu_link_latency_s);
        group.network_bandwidth = std::min(group.network_bandwidth, network);
        if (group.nodes > 1)
            group.network_latency_s = std::max(group.network_latency_s, 2 * node.nic_latency_s);
        last = &node;
    }
}

/// What the long links add to a hop between nodes, mean over the ring.
double site_latency_s(const topologies::Cluster& cluster, const std::vector<int>& nodes) {
    const int site_nodes = (cluster.nodes + cluster.fabric.sites - 1) / cluster.fabric.sites;
    double crossings = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i] / site_nodes != nodes[(i + 1) % nodes.size()] / site_nodes) crossings += 1;
    return crossings / static_cast<double>(nodes.size()) * cluster.fabric.site_latency_s;
}

}  // namespace

GroupPlacement place_group(std::span<const std::uint32_t> devices, const topologies::Cluster& cluster,
                           int sharing_groups) {
    std::vector<std::uint32_t> sorted(devices.begin(), devices.end());
    std::sort(sorted.begin(), sorted.end());
    check_devices(sorted, cluster);

    GroupPlacement group;
    group.ranks = static_cast<int>(sorted.size());
    group.link_bandwidth = cluster.node.gpu_link_bandwidth;
    group.link_latency_s = cluster.node.gpu_link_latency_s;
    if (sorted.empty()) return group;
    if (cluster.fabric.kind == topologies::FabricKind::torus && !cluster.custom) {
        // Chips of a torus are joined as GPUs of one node are; what counts is the links of their box.
        group.nodes = 1;
        group.least_per_node = group.most_per_node = group.ranks;
        if (group.ranks > 1) group.link_bandwidth = topologies::torus_bandwidth(cluster, sorted);
        return group;
    }

    std::vector<int> nodes;
    group.least_per_node = std::numeric_limits<int>::max();
    for (std::size_t first = 0; first < sorted.size();) {
        const int node = cluster.node_of(sorted[first]);
        std::size_t last = first;
        while (last < sorted.size() && cluster.node_of(sorted[last]) == node) ++last;
        const int members = static_cast<int>(last - first);
        group.least_per_node = std::min(group.least_per_node, members);
        group.most_per_node = std::max(group.most_per_node, members);
        nodes.push_back(node);
        first = last;
    }
    group.nodes = static_cast<int>(nodes.size());
    slowest_links(group, cluster, nodes, sharing_groups);
    if (group.nodes > 1) {
        group.ring_share = topologies::ring_share(cluster, nodes);
        group.pairwise_share = topologies::pairwise_share(cluster, nodes);
        group.network_latency_s +=
            topologies::ring_hops(cluster.fabric, nodes) * cluster.fabric.switch_latency_s;
        if (cluster.fabric.sites > 1) group.network_latency_s += site_latency_s(cluster, nodes);
    }
    return group;
}

}  // namespace orrery::sim
