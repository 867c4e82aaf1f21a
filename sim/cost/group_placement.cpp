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
    if (group.nodes > 1) {
        const topologies::Fabric& fabric = cluster.fabric;
        group.network_bandwidth = network_bandwidth(group, cluster.node, sharing_groups);
        group.ring_share = topologies::uplink_share(fabric, topologies::ring_leaving(fabric, nodes));
        group.pairwise_share = topologies::uplink_share(fabric, topologies::pairwise_leaving(fabric, nodes));
        group.network_latency_s =
            2 * cluster.node.nic_latency_s + topologies::ring_hops(fabric, nodes) * fabric.switch_latency_s;
    }
    return group;
}

}  // namespace orrery::sim
