// sim/engine/collective_steps/collective_messages.hpp
//
// A collective under a named algorithm, as messages. Names are those of sim/cost/collective_cost.hpp; that
// room holds the closed form of each.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cost/forced_collectives.hpp"
#include "sim/engine/collective_steps/algorithms.hpp"
#include "sim/engine/network.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// Places of `devices` (the members, in the order of their group) on a cluster.
MemberPlaces member_places(std::span<const std::uint32_t> devices, const topologies::Cluster& cluster,
                           const Network& network);

/// The messages of `request` by `algorithm`; by the plain choice for its kind where that is empty (see
/// plain_algorithm). No message among fewer than two members. Throws InputError, key "algorithm", when there
/// is no such algorithm or it does not do this collective on members placed so; SimulationError when an
/// all-to-all-v lacks its matrix or a send-recv has not two members.
MessageList collective_messages(const CollectiveRequest& request, const MemberPlaces& places,
                                std::string_view algorithm = {});

/// ring; direct for exchanges, gather, scatter and send-recv; dissemination for a barrier.
std::string_view plain_algorithm(CollectiveKind kind);

/// What engine simgrid carries the kind out by: what is forced, else the plain algorithm (of an exchange
/// pairwise).
std::string simgrid_algorithm(CollectiveKind kind, const ForcedCollectives& forced);

/// All algorithms that are written out as messages.
std::vector<std::string> message_algorithm_names();

}  // namespace orrery::sim
