#include "topologies/fabric.hpp"

#include <algorithm>
#include <map>

namespace orrery::topologies {
namespace {

int leaf_of(const Fabric& fabric, int node) {
    return fabric.nodes_per_leaf > 0 ? node / fabric.nodes_per_leaf : 0;
}

int pod_of(const Fabric& fabric, int node) {
    return fabric.leaves_per_pod > 0 ? leaf_of(fabric, node) / fabric.leaves_per_pod : 0;
}

}  // namespace

int switch_hops(const Fabric& fabric, int node_a, int node_b) {
    if (node_a == node_b) return 0;
    if (leaf_of(fabric, node_a) == leaf_of(fabric, node_b)) return 1;
    return pod_of(fabric, node_a) == pod_of(fabric, node_b) ? 3 : 5;
}

double path_latency_s(const Cluster& cluster, std::uint32_t device_a, std::uint32_t device_b) {
    if (device_a == device_b) return 0;
    const int hops = switch_hops(cluster.fabric, cluster.node_of(device_a), cluster.node_of(device_b));
    if (hops == 0) return cluster.node.gpu_link_latency_s;
    return 2 * cluster.node.nic_latency_s + hops * cluster.fabric.switch_latency_s;
}

double uplink_share(const Fabric& fabric, double leaving) {
    return 1 / std::max(1.0, fabric.oversubscription * leaving);
}

double ring_leaving(const Fabric& fabric, std::span<const int> nodes) {
    if (nodes.size() < 2) return 0;
    std::size_t crossing = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (switch_hops(fabric, nodes[i], nodes[(i + 1) % nodes.size()]) > 1) ++crossing;
    return static_cast<double>(crossing) / static_cast<double>(nodes.size());
}

double pairwise_leaving(const Fabric& fabric, std::span<const int> nodes) {
    if (nodes.size() < 2) return 0;
    std::map<int, double> on_leaf;
    for (const int node : nodes) on_leaf[leaf_of(fabric, node)] += 1;
    const auto n = static_cast<double>(nodes.size());
    double leaving_pairs = 0;
    for (const auto& [leaf, count] : on_leaf) leaving_pairs += count * (n - count);
    return leaving_pairs / (n * (n - 1));
}

double ring_hops(const Fabric& fabric, std::span<const int> nodes) {
    if (nodes.size() < 2) return 0;
    double hops = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        hops += switch_hops(fabric, nodes[i], nodes[(i + 1) % nodes.size()]);
    return hops / static_cast<double>(nodes.size());
}

}  // namespace orrery::topologies
