// topologies/fabric.hpp
//
// What a fat tree means for traffic between nodes (Leiserson 1985; leaf oversubscription as data-centre
// networks use it). Nodes are numbered in the order they are cabled: nodes 0..k-1 under the first leaf, and
// so on. Within a leaf, traffic passes one switch; through a spine, three; through a core, five.
#pragma once

#include <cstdint>
#include <span>

#include "topologies/cluster.hpp"

namespace orrery::topologies {

/// Switches between two nodes: 0 (the same node), 1 (one leaf), 3 (one pod) or 5; over a dragonfly's routers
/// 1, 2 or 4 (dragonfly+: 1, 3 or 4), the most that its cables between groups need.
int switch_hops(const Fabric& fabric, int node_a, int node_b);

/// Time for a first byte from one GPU's memory to another's: NVLink or PCIe inside a node; both NICs and
/// every switch between nodes. Zero for a device and itself.
double path_latency_s(const Cluster& cluster, std::uint32_t device_a, std::uint32_t device_b);

/// Share of a node's NIC bandwidth that is left for traffic of which the fraction `leaving` (0 to 1) goes out
/// of its leaf, when all nodes of the leaf do the same: min(1, 1 / (oversubscription x leaving)).
double uplink_share(const Fabric& fabric, double leaving);

/// Share of each node's NIC bandwidth that the fabric leaves for a ring through `nodes` (in that order,
/// closed), or for traffic between all pairs of them alike, when all nodes of the cluster do as these do: the
/// least over leaf uplinks, pod uplinks, cables between a dragonfly's groups and links between sites of what
/// is there over what is asked. A ring crosses from a group or site to one other, pairs to all of them.
double ring_share(const Cluster& cluster, std::span<const int> nodes);
double pairwise_share(const Cluster& cluster, std::span<const int> nodes);

/// Bandwidth of one chip of a torus for collectives among `devices`, each direction: of the box around them,
/// two links in each dimension that it spans from end to end of a wrap; without a wrap two in all, and one
/// along a line, since a ring must come back the way it went.
double torus_bandwidth(const Cluster& cluster, std::span<const std::uint32_t> devices);

/// Fraction of the edges of the ring through `nodes` (in that order, closed) that leave a leaf.
double ring_leaving(const Fabric& fabric, std::span<const int> nodes);

/// The same for traffic from each of `nodes` to each other one alike (all-to-all).
double pairwise_leaving(const Fabric& fabric, std::span<const int> nodes);

/// Mean number of switches over the edges of the ring through `nodes`; 0 for fewer than two.
double ring_hops(const Fabric& fabric, std::span<const int> nodes);

}  // namespace orrery::topologies
