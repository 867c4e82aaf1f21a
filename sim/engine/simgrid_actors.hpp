// sim/engine/simgrid_actors.hpp
//
// What runs inside the SimGrid process: one actor per stream of each rank.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/engine/network.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

/// Where the actors write: memory that outlives their process.
struct SimgridOutput {
    double* start = nullptr;  ///< [global task]
    double* end = nullptr;    ///< [global task]
    std::uint32_t* head =
        nullptr;  ///< [stream_begin[rank] + stream] first task that has not ended, or kNoTask
};

/// Pairs of devices that exchange messages, and the way between them.
using Routes = std::map<std::pair<std::uint32_t, std::uint32_t>, NetworkRoute>;

/// The devices of a communicator's members, in the order of its members: the ring of its collectives.
std::vector<std::uint32_t> ring_of(const Program& program, CommunicatorId communicator);

/// Runs the (valid, unfolded) program to its end. `on_deadlock` is called when it cannot proceed and must not
/// return.
void run_simgrid(const Program& program, const WorkCosts& costs, const Network& network, const Routes& routes,
                 const SimgridOutput& output, const std::function<void()>& on_deadlock);

}  // namespace orrery::sim
