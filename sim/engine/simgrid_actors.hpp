// sim/engine/simgrid_actors.hpp
//
// What runs inside the SimGrid process: one actor per stream of each rank, and while an operation runs, one
// for each lane of its messages.
#pragma once

#include <cstdint>
#include <functional>

#include "sim/cost/work_cost.hpp"
#include "sim/engine/network.hpp"
#include "sim/engine/simgrid_plan.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

/// Where the actors write: memory that outlives their process.
struct SimgridOutput {
    double* start = nullptr;  ///< [global task]
    double* end = nullptr;    ///< [global task]
    std::uint32_t* head =
        nullptr;  ///< [stream_begin[rank] + stream] first task that has not ended, or kNoTask
};

/// Runs the (valid, unfolded) program to its end. `on_deadlock` is called when it cannot proceed and must not
/// return.
void run_simgrid(const Program& program, const WorkCosts& costs, const Network& network,
                 const SimgridPlan& plan, const SimgridOutput& output,
                 const std::function<void()>& on_deadlock);

}  // namespace orrery::sim
