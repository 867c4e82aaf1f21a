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

/// What `members` of the group on such a node count on.
double network_bandwidth(int members, const topologies::Node& node, int sharing_groups) {
    const double all_nics = node.nics * node.nic_bandwidth;
    const double sharers = sharing_groups > 0 ? sharing_groups : static_cast<double>(node.gpus) / members;
    const double nics_a_gpu = std::max(1.0, static_cast<double>(node.nics) / node.gpus);
    const double own_nics = std::min<double>(members * nics_a_gpu, node.nics) * node.nic_bandwidth;
    return std::min(own_nics, all_nics / std::max(1.0, sharers));
}

/// A group's members on a node.
struct NodeShare {
    int node = 0;
    int members = 0;
};

/// How many members share network_bandwidth on the node where each has the least of it.
double sharing_members(const GroupPlacement& group, const topologies::Cluster& cluster,
                       const std::vector<NodeShare>& shares, int sharing_groups) {
    double most = 0;
    NodeShare last{-1, 0};
    const topologies::Node* last_kind = nullptr;
    for (const NodeShare& share : shares) {
        const topologies::Node& kind = cluster.kind_of_node(share.node);
        if (&kind == last_kind && share.members == last.members) continue;
        last = share;
        last_kind = &kind;
        const double own = network_bandwidth(share.members, kind, sharing_groups);
        if (own > 0) most = std::max(most, share.members * (group.network_bandwidth / own));
    }
    return most;
}

/// A group moves at the pace of its slowest node's links; of several kinds of nodes each is looked at once.
void slowest_links(GroupPlacement& group, const topologies::Cluster& cluster, const std::vector<int>& nodes,
                   int sharing_groups) {
    const topologies::Node* last = nullptr;
    for (const int index : nodes) {
        const topologies::Node& node = cluster.kind_of_node(index);
        if (&node == last) continue;
        const double network =
            group.nodes > 1 ? network_bandwidth(group.least_per_node, node, sharing_groups) : 0;
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
        group.least_per_node = group.most_per_node = group.root_members = group.ranks;
        group.sharing_members = group.ranks;
        if (group.ranks > 1) group.link_bandwidth = topologies::torus_bandwidth(cluster, sorted);
        return group;
    }

    std::vector<int> nodes;
    std::vector<NodeShare> shares;
    const int root = cluster.node_of(devices.front());
    group.least_per_node = std::numeric_limits<int>::max();
    for (std::size_t first = 0; first < sorted.size();) {
        const int node = cluster.node_of(sorted[first]);
        std::size_t last = first;
        while (last < sorted.size() && cluster.node_of(sorted[last]) == node) ++last;
        const int members = static_cast<int>(last - first);
        group.least_per_node = std::min(group.least_per_node, members);
        group.most_per_node = std::max(group.most_per_node, members);
        if (node == root) group.root_members = members;
        nodes.push_back(node);
        shares.push_back({node, members});
        first = last;
    }
    group.nodes = static_cast<int>(nodes.size());
    slowest_links(group, cluster, nodes, sharing_groups);
    group.sharing_members = group.most_per_node;
    if (group.nodes > 1) {
        group.sharing_members = sharing_members(group, cluster, shares, sharing_groups);
        group.ring_share = topologies::ring_share(cluster, nodes);
        group.pairwise_share = topologies::pairwise_share(cluster, nodes);
        group.network_latency_s +=
            topologies::ring_hops(cluster.fabric, nodes) * cluster.fabric.switch_latency_s;
        if (cluster.fabric.sites > 1) group.network_latency_s += site_latency_s(cluster, nodes);
    }
    return group;
}

}  // namespace orrery::sim
