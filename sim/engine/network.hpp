// sim/engine/network.hpp
//
// The links of a cluster and the way of a message over them, as the engines that move messages see it: a thin
// view on topologies/graph.hpp. What the links and ways are is said by the builders of topologies/builders.
// Every link is one direction of its cable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::sim {

struct NetworkLink {
    std::string name;
    double bandwidth = 0;  ///< bytes/s
    double latency_s = 0;
    topologies::Tier tier = topologies::Tier::nvlink;
};

struct NetworkRoute {
    double latency_s = 0;
    std::vector<std::uint32_t> links;  ///< in order; empty from a device to itself
};

class Network {
  public:
    explicit Network(const topologies::Cluster& cluster);

    /// What is under it: bandwidths and names without a string per link, ways without an allocation.
    [[nodiscard]] const topologies::Graph& graph() const { return *wires; }
    /// The same, to outlive the network.
    [[nodiscard]] std::shared_ptr<const topologies::Graph> shared_graph() const { return wires; }

    [[nodiscard]] std::uint32_t link_count() const { return wires->links(); }
    [[nodiscard]] NetworkLink link(std::uint32_t index) const;
    /// All of them, named, made on the first call: for small clusters; engines read graph() instead.
    [[nodiscard]] const std::vector<NetworkLink>& links() const;
    /// The way of channel `channel` of a message. Throws ExperimentError when the cluster has no such device
    /// or no link between the two.
    [[nodiscard]] NetworkRoute route(std::uint32_t from, std::uint32_t to, std::uint32_t channel = 0) const;

    /// The rings on which collectives of these devices run, each with a share of the bytes: node by node, in
    /// the order in which the nodes and a node's devices are given, whatever lies between them there. On
    /// several nodes as many as the devices have NICs on the node where they have the fewest: the order
    /// inside the nodes is turned so that each ring enters and leaves by other NICs (as NCCL's channels do,
    /// whose number is the least over the nodes too: initTransportsRank, src/init.cc). On a fabric with
    /// rails every second node is passed the other way round, so that a ring leaves a node and enters the
    /// next on the same rail.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> rings(
        const std::vector<std::uint32_t>& devices) const;

  private:
    struct Named {
        std::once_flag once;
        std::vector<NetworkLink> links;
    };
    topologies::Cluster on;
    std::shared_ptr<const topologies::Graph> wires;
    std::shared_ptr<Named> named = std::make_shared<Named>();
};

}  // namespace orrery::sim
