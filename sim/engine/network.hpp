// sim/engine/network.hpp
//
// The links of a cluster and the way of a message over them, as the engines that move messages see it.
//
//  - Inside a node a message takes the sender's link into the node's fabric (NVLink, or PCIe) and the
//  receiver's
//    out of it; latency Node::gpu_link_latency_s. The fabric itself does not limit.
//  - Between nodes it takes the sender's NIC, then, when the nodes hang on different leaf switches, the
//    uplinks of the one leaf and the downlinks of the other (one fluid link for all of a leaf's, as with
//    ideal load balancing; their sum is what hangs below the leaf divided by the oversubscription), then the
//    receiver's NIC. Above the leaves nothing limits. GPU g of a node uses NIC g * nics / gpus. Latency: a
//    NIC at both ends and the switches of topologies/fabric.hpp.
//
// Every link is one direction of its cable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "topologies/cluster.hpp"

namespace orrery::sim {

struct NetworkLink {
    std::string name;
    double bandwidth = 0;  ///< bytes/s
};

struct NetworkRoute {
    double latency_s = 0;
    std::vector<std::uint32_t> links;  ///< in order; empty from a device to itself
};

class Network {
  public:
    explicit Network(const topologies::Cluster& cluster);

    [[nodiscard]] const std::vector<NetworkLink>& links() const { return all; }
    /// Throws ExperimentError when the cluster has no such device or no link between the two.
    [[nodiscard]] NetworkRoute route(std::uint32_t from, std::uint32_t to) const;

    /// The rings on which collectives of these devices run, each with a share of the bytes. One, in the given
    /// order; but where the devices fill several nodes, as many of each in sequence, one per NIC that they
    /// have in a node: the order inside the nodes is turned so that each ring enters and leaves by other NICs
    /// (as NCCL's channels do).
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> rings(
        const std::vector<std::uint32_t>& devices) const;

  private:
    [[nodiscard]] std::uint32_t gpu(std::uint32_t device) const;
    [[nodiscard]] std::uint32_t nic(std::uint32_t device) const;
    [[nodiscard]] std::uint32_t leaf(std::uint32_t device) const;

    topologies::Cluster on;
    std::vector<NetworkLink> all;  ///< pairs (out, in): GPUs, NICs, leaves
    std::uint32_t first_nic = 0;
    std::uint32_t first_leaf = 0;
};

}  // namespace orrery::sim
