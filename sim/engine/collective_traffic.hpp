// sim/engine/collective_traffic.hpp
//
// How many bytes each collective moves between whom, as its algorithm does it, and over which links: what the
// fluid engine makes one coupled load of. The steps and their order do not show; sums over a collective's
// messages do.
//
//  ring                 on every ring of Network::rings an equal share: each member sends its right neighbour
//                       2(n-1)/n of the share (all-reduce), (n-1)/n (all-gather, reduce-scatter); broadcast
//                       and reduce: the whole share down the chain from, or to, the first member
//  tree                 between nodes the two trees of Sanders, Speck and Traff 2009, half of the bytes each,
//                       up and down, divided over the members that a node has; inside a node a chain in both
//                       directions whose start turns from channel to channel: (r-1)/r of the bytes each way
//  nvls, nvls-tree      each of a node's r GPUs sends and receives 1 + 1/r buffers through the switch;
//  between
//                       nodes trees as above
//  pairwise             all-to-all: bytes/n from each to each; all-to-all-v: what the matrix says; gather,
//                       scatter: bytes/n to, or from, the first member
//                       direct: the same, and send-recv: the bytes, from the first member to the second
//  others               the sum of their messages (collective_steps/)
//
// Sources as in sim/cost/collectives.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sim/engine/network.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// Bytes from one device to another.
struct PairBytes {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    double bytes = 0;
};

/// Whether the algorithm's bytes are known by pairs of devices without writing its messages out.
bool known_by_pairs(CollectiveKind kind, std::string_view algorithm);

/// The bytes between devices of one operation. `devices` in ring order, the first is the root, or of a
/// send-recv the sender. Names of algorithms as in CollectiveCost; throws SimulationError for one that is not
/// known by pairs.
std::vector<PairBytes> collective_pairs(CollectiveKind kind, std::string_view algorithm, double bytes,
                                        std::span<const std::uint32_t> devices, const Network& network,
                                        const topologies::Cluster& cluster);

/// The bytes of an all-to-all-v, whose matrix numbers the members as `devices` does.
std::vector<PairBytes> exchange_pairs(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices);

/// Bytes over one link: of the payload, and on the wire.
struct LinkBytes {
    std::uint32_t link = 0;
    double payload = 0;
    double wire = 0;
    bool inside_node = false;  ///< on a way that does not leave the node
};

/// Adds the ways of messages up, link by link. Keeps room for every link of the network: make one and use it
/// for many collectives.
class LinkSum {
  public:
    LinkSum(const Network& network, const topologies::Cluster& cluster);

    /// Adds the pairs' bytes to every link of their ways; a byte is `node_wire` on the wire inside a node and
    /// `network_wire` between nodes. Throws ExperimentError where there is no way.
    void add(std::span<const PairBytes> pairs, double node_wire, double network_wire);
    /// The same of an algorithm's messages, those to and from switches that add among them. Throws as
    /// collective_messages and route_messages do.
    void add_messages(CollectiveKind kind, std::string_view algorithm, double bytes,
                      std::span<const std::uint32_t> devices, double node_wire, double network_wire);
    /// The links with bytes, in order of their numbers; forgets them.
    std::vector<LinkBytes> take();

  private:
    void add(std::uint32_t link, double bytes, double wire, bool inside);

    const Network& network;
    const topologies::Cluster& cluster;
    std::vector<LinkBytes> sum;  ///< [link]
    std::vector<std::uint32_t> used;
    topologies::Way way;
};

}  // namespace orrery::sim
