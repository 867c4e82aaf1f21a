#include "topologies/fabric.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

int leaf_of(const Fabric& fabric, int node) {
    return fabric.nodes_per_leaf > 0 ? node / fabric.nodes_per_leaf : 0;
}

int pod_of(const Fabric& fabric, int node) {
    return fabric.leaves_per_pod > 0 ? leaf_of(fabric, node) / fabric.leaves_per_pod : 0;
}

bool is_dragonfly(const Fabric& fabric) {
    return fabric.kind == FabricKind::dragonfly || fabric.kind == FabricKind::dragonfly_plus;
}

/// Of the dragonfly's routers; routers are `leaf_of` with at least one node each.
int group_of(const Fabric& fabric, int node) {
    return node / std::max(1, fabric.nodes_per_leaf) / std::max(1, fabric.routers_per_group);
}

int nodes_of_site(const Cluster& cluster) {
    return (cluster.nodes + cluster.fabric.sites - 1) / cluster.fabric.sites;
}

using PartOf = std::function<int(int)>;

double ring_crossing(std::span<const int> nodes, const PartOf& part) {
    if (nodes.size() < 2) return 0;
    std::size_t crossing = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (part(nodes[i]) != part(nodes[(i + 1) % nodes.size()])) ++crossing;
    return static_cast<double>(crossing) / static_cast<double>(nodes.size());
}

double pairs_crossing(std::span<const int> nodes, const PartOf& part) {
    if (nodes.size() < 2) return 0;
    std::map<int, double> in_part;
    for (const int node : nodes) in_part[part(node)] += 1;
    const auto n = static_cast<double>(nodes.size());
    double pairs = 0;
    for (const auto& [name, count] : in_part) pairs += count * (n - count);
    return pairs / (n * (n - 1));
}

/// The least over the levels of capacity over demand. `crossing(part)`: the fraction of traffic that leaves
/// its part; `peers(parts)`: to how many other parts that traffic spreads.
double share_of(const Cluster& cluster, const std::function<double(const PartOf&)>& crossing, bool to_all) {
    const Fabric& f = cluster.fabric;
    double node_bandwidth = 0;
    for (std::size_t kind = 0; kind < cluster.kinds(); ++kind)
        node_bandwidth = std::max(node_bandwidth, cluster.kind(kind).nics * cluster.kind(kind).nic_bandwidth);
    const auto over = [](double demand, double capacity) {
        return capacity > 0 ? std::max(1.0, demand / capacity) : 1.0;
    };
    double most = 1;
    if (is_dragonfly(f)) {
        const int group_nodes = std::max(1, f.nodes_per_leaf) * std::max(1, f.routers_per_group);
        const int groups = (cluster.nodes + group_nodes - 1) / group_nodes;
        const double cables = to_all ? (groups - 1.0) * f.global_cables : f.global_cables;
        most = over(crossing([&f](int node) { return group_of(f, node); }) *
                        std::min(group_nodes, cluster.nodes) * node_bandwidth,
                    cables * f.global_bandwidth);
    } else {
        const double leaf = crossing([&f](int node) { return leaf_of(f, node); });
        const double pod = crossing([&f](int node) { return pod_of(f, node); });
        most = std::max({1.0, f.oversubscription * leaf, f.oversubscription * f.core_oversubscription * pod});
    }
    if (f.sites > 1) {
        const int site_nodes = nodes_of_site(cluster);
        const double links = to_all ? f.sites - 1.0 : 1.0;
        const double leaving = crossing([site_nodes](int node) { return node / site_nodes; });
        most = std::max(most, over(leaving * site_nodes * node_bandwidth, links * f.site_bandwidth));
    }
    return 1 / most;
}

}  // namespace

double ring_share(const Cluster& cluster, std::span<const int> nodes) {
    return share_of(
        cluster, [nodes](const PartOf& part) { return ring_crossing(nodes, part); }, false);
}

double pairwise_share(const Cluster& cluster, std::span<const int> nodes) {
    return share_of(
        cluster, [nodes](const PartOf& part) { return pairs_crossing(nodes, part); }, true);
}

double torus_bandwidth(const Cluster& cluster, std::span<const std::uint32_t> devices) {
    const auto all = static_cast<std::uint32_t>(cluster.devices());
    const auto shape = torus_shape(cluster.fabric, all);
    const double link = cluster.node.gpu_link_bandwidth / (2 * cluster.fabric.dimensions);
    const bool wraps = all >= static_cast<std::uint32_t>(cluster.fabric.wraps_from);
    int spanned = 0;
    int links = 0;
    std::uint32_t stride = 1;
    for (const std::uint32_t side : shape) {
        std::uint32_t low = side;
        std::uint32_t high = 0;
        for (const std::uint32_t device : devices) {
            low = std::min(low, device / stride % side);
            high = std::max(high, device / stride % side);
        }
        stride *= side;
        if (low >= high) continue;
        ++spanned;
        if (wraps && side > 2 && high - low + 1 == side) links += 2;
    }
    return link * std::max(links, spanned > 1 ? 2 : 1);
}

int switch_hops(const Fabric& fabric, int node_a, int node_b) {
    if (node_a == node_b) return 0;
    if (is_dragonfly(fabric)) {
        const int per_router = std::max(1, fabric.nodes_per_leaf);
        if (node_a / per_router == node_b / per_router) return 1;
        if (group_of(fabric, node_a) != group_of(fabric, node_b)) return 4;
        return fabric.kind == FabricKind::dragonfly ? 2 : 3;
    }
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
