// sim/engine/flow_loads.hpp
//
// What each communication of a program asks of the links: one load for every communicator and work, one for
// every rank and copy. Made once, before the simulation, in arrays.
//
// A load's demand on a link, at the speed it has alone on the network, is its bytes on the wire divided by
// the time that the cost model gives for moving them, and never more than the link's capacity: alone, a load
// takes exactly its price, also where that is more optimistic than the links.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/cost/transfer_cost.hpp"
#include "sim/engine/collective_traffic.hpp"
#include "sim/engine/flow_shares.hpp"
#include "sim/engine/network.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

inline constexpr std::uint32_t kNoLoad = 0xFFFFFFFF;

struct FlowLoad {
    std::uint32_t first = 0;  ///< its footprint, in `demands` and `payload`
    std::uint32_t size = 0;
    double transfer_s = 0;  ///< alone
    double reference = 1;   ///< see flow_shares.hpp
};

/// A link as the engine sees it. Folding joins links that cannot be told apart into one.
struct FlowLink {
    std::uint32_t link = 0;          ///< of the network; of a class, its first one
    std::uint32_t multiplicity = 1;  ///< how many links it stands for
    bool to_host = false;            ///< between a GPU and its host's memory
    bool between_nodes = false;      ///< on a way that leaves the node
};

struct FlowLoads {
    std::vector<FlowLink> links;
    std::vector<double> capacity;                    ///< [link] bytes/s, nominal
    std::vector<std::uint32_t> class_of;             ///< [link of the network] into `links`; empty: itself
    std::shared_ptr<const topologies::Graph> wires;  ///< of the network; none: links are "link 0", ...

    std::vector<LinkDemand> demands;
    std::vector<double> payload;  ///< bytes over the link in the whole operation, beside each of `demands`
    std::vector<FlowLoad> loads;

    /// Loads by who makes them: communicator c, or communicators + rank of a copy.
    struct Use {
        std::uint32_t work = 0;
        std::uint32_t load = 0;
    };
    std::vector<std::uint32_t> first_use;  ///< [owner + 1]
    std::vector<Use> uses;

    /// The owner's load for that work, or kNoLoad where it moves nothing over links.
    [[nodiscard]] std::uint32_t find(std::size_t owner, std::uint32_t work) const {
        for (std::uint32_t u = first_use[owner]; u < first_use[owner + 1]; ++u)
            if (uses[u].work == work) return uses[u].load;
        return kNoLoad;
    }
    /// "leaf 0 spine 1 out", "gpu 3 to host"; of a class of links, the first one's.
    [[nodiscard]] std::string name(std::uint32_t link) const;
    [[nodiscard]] std::span<const LinkDemand> footprint(std::uint32_t load) const {
        return std::span(demands).subspan(loads[load].first, loads[load].size);
    }
};

/// One kind of operation of a communicator: which work, and who sends (the members' order otherwise).
struct OwnedWork {
    std::uint32_t owner = 0;
    std::uint32_t work = 0;
    std::vector<std::uint32_t> devices;  ///< in ring order; the sender of a send-recv first; of a copy: one
};

/// What every communicator and rank of the program sends, each (owner, work) once, ordered by owner.
std::vector<OwnedWork> owned_works(const Program& program, const TransferCosts& transfers);

/// Links by number: those of the network, then two for each device of the cluster to its host and back.
class FlowNetwork {
  public:
    FlowNetwork(const Network& network, const topologies::Cluster& cluster);

    [[nodiscard]] std::size_t links() const { return capacities.size(); }
    [[nodiscard]] const std::vector<double>& capacity() const { return capacities; }
    [[nodiscard]] std::shared_ptr<const topologies::Graph> wires() const { return network.shared_graph(); }
    /// The link as the engine's tables begin with it, for itself alone.
    [[nodiscard]] FlowLink link(std::uint32_t link) const {
        return {link, 1, link >= network.link_count(), false};
    }

    /// Bytes of one operation over each link.
    std::vector<LinkBytes> traffic(const Program& program, const OwnedWork& what,
                                   const TransferCosts& transfers);

  private:
    const Network& network;
    const topologies::Cluster& cluster;
    std::vector<double> capacities;
    LinkSum sum;
};

/// The demand on the link where a load of that traffic presses hardest (see flow_shares.hpp).
double reference_demand(std::span<const LinkBytes> traffic, double transfer_s,
                        const std::vector<double>& capacity);

/// Adds a load with that traffic; returns its number.
std::uint32_t append_load(FlowLoads& loads, std::span<const LinkBytes> traffic, double transfer_s);

/// The loads of a program of which every rank is simulated. Throws ExperimentError where a collective's group
/// has members that are not, or two devices have no way between them.
FlowLoads flow_loads(const Program& program, const TransferCosts& transfers, const Network& network,
                     const topologies::Cluster& cluster);

}  // namespace orrery::sim
