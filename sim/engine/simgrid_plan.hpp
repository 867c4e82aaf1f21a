// sim/engine/simgrid_plan.hpp
//
// What the engine over SimGrid moves: the messages of every operation of a program, and the ways between the
// hosts that exchange them. Made once, before SimGrid starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sim/cost/forced_collectives.hpp"
#include "sim/engine/collective_steps/message_list.hpp"
#include "sim/engine/network.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// A communicator's work as messages.
struct SimgridOperation {
    MessageList messages;
    std::vector<std::uint32_t> host;   ///< [position]
    std::vector<std::uint32_t> lanes;  ///< the first message of each lane
};

struct SimgridPlan {
    std::vector<SimgridOperation> operations;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> of;  ///< (communicator, work)
    /// Between hosts: those of the devices by their numbers, then one for each switch that adds.
    std::map<std::pair<std::uint32_t, std::uint32_t>, NetworkRoute> ways;
    std::map<std::uint32_t, double> bandwidth;  ///< B/s, of every link of a way

    [[nodiscard]] const SimgridOperation& operation(std::uint32_t communicator, std::uint32_t work) const {
        return operations[of.at({communicator, work})];
    }
};

/// The algorithms are those that `forced` names; where it names none, the plain one of each kind (ring;
/// pairwise for exchanges; a message from or to each for gather and scatter; dissemination for a barrier).
/// Of a forced protocol a message has the flags' bytes too; its latencies are of NCCL's software, which this
/// engine leaves out. Throws ExperimentError where a collective has members that are not simulated or two
/// devices have no way, InputError where a forced algorithm does not do the collective on its group.
SimgridPlan plan_messages(const Program& program, const topologies::Cluster& cluster, const Network& network,
                          const ForcedCollectives& forced);

}  // namespace orrery::sim
