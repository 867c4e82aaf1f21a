// sim/cost/group_placement.hpp
//
// Where a group lies: how many ranks on how many nodes, and what share of the network it can count on.
//
// NICs are shared by groups of one kind. A data-parallel group with tp = 8 has one member on each node, and
// the node's other seven GPUs belong to seven groups like it, which communicate at the same time; a group of
// all GPUs has all NICs to itself. So a group with r of a node's G GPUs counts on r / G of the NICs'
// bandwidth, and never on more than one NIC a member would need (r NICs): with fewer GPUs than NICs a GPU
// still drives only its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "topologies/cluster.hpp"

namespace orrery::sim {

struct GroupPlacement {
    int ranks = 0;
    int nodes = 0;
    int least_per_node = 0;  ///< members on the node with the fewest
    int most_per_node = 0;
    int root_members = 0;  ///< members on the node of the first one, which rooted collectives start from
    double sharing_members = 0;  ///< that share network_bandwidth where members have the least of it each
    double link_bandwidth = 0;   ///< a GPU's NVLink or PCIe bandwidth inside the node, each direction
    /// Of one node for this group, each direction, of the node with the fewest; before oversubscription.
    double network_bandwidth = 0;
    double ring_share = 1;      ///< left of network_bandwidth by oversubscription, for neighbours in a ring
    double pairwise_share = 1;  ///< the same for traffic between all pairs
    double link_latency_s = 0;  ///< one hop inside a node
    double network_latency_s = 0;  ///< one hop between nodes, mean over the ring

    [[nodiscard]] bool one_node() const { return nodes == 1; }
};

/// Places the group of `devices` (global device numbers, any order). `sharing_groups` is how many groups
/// share a node's NICs at the same time, itself included; 0 takes G / r as above. Throws SimulationError when
/// a device is not of the cluster or named twice.
GroupPlacement place_group(std::span<const std::uint32_t> devices, const topologies::Cluster& cluster,
                           int sharing_groups = 0);

}  // namespace orrery::sim
