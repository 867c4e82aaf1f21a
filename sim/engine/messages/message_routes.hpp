// sim/engine/messages/message_routes.hpp
//
// The links under a collective's messages: for each message a route, equal ones stored once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine/collective_steps/message_list.hpp"
#include "sim/engine/network.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// What software adds to the bare links: as the calibration has it for one algorithm and protocol. The
/// default leaves them bare.
struct MessageOverheads {
    double start_s = 0;         ///< before the first message
    double link_step_s = 0;     ///< added to the latency of a message inside a node
    double network_step_s = 0;  ///< and between nodes
    double link_share = 1;      ///< usable of the bandwidth of links inside nodes
    double network_share = 1;   ///< and of the network's
};

struct MessageRoutes {
    std::vector<double> bandwidth;     ///< [link] bytes/s, after the overheads' shares
    std::vector<std::uint32_t> of;     ///< [message] route
    std::vector<std::uint32_t> begin;  ///< [route + 1] into `links`
    std::vector<std::uint32_t> links;
    std::vector<double> latency_s;  ///< [route], after the overheads' steps
    /// Where a link is: inside a node, between it and its switch, between switches.
    enum class Level : std::uint8_t { node, network, spine };
    std::vector<Level> level;              ///< [link]
    std::vector<std::uint8_t> in_network;  ///< [link] 1: on the way between nodes

    [[nodiscard]] std::span<const std::uint32_t> links_of(std::size_t message) const {
        const std::uint32_t route = of[message];
        return {links.data() + begin[route], begin[route + 1] - begin[route]};
    }
};

/// Routes over `network` between the members' `devices`. A message to or from a switch takes the part of a
/// member's route that leads there: of its half that goes up (or down), the links below
/// the first switch between nodes, or those beyond it between a leaf and the root; and half of its latency.
/// Throws ExperimentError as Network::route does.
MessageRoutes route_messages(const MessageList& messages, std::span<const std::uint32_t> devices,
                             const topologies::Cluster& cluster, const Network& network,
                             const MessageOverheads& overheads = {});

/// Bytes that cross each link: [link].
std::vector<double> bytes_by_link(const MessageList& messages, const MessageRoutes& routes);

}  // namespace orrery::sim
