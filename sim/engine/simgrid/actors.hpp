// sim/engine/simgrid/actors.hpp
//
// The entry point of liborrery_simgrid.so, and what runs inside the SimGrid process: one actor per stream of
// each rank, and while an operation runs, one for each lane of its messages.
#pragma once

#include <cstdint>
#include <functional>

#include "sim/cost/work_cost.hpp"
#include "sim/engine/packed_program.hpp"
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

/// All that the actors read.
struct SimgridJob {
    const Program& program;  ///< valid, unfolded
    const WorkCosts& costs;
    const PackedPrograms& packed;
    const SimgridPlan& plan;
    SimgridOutput output;
    /// Called when the program cannot proceed; must not return.
    std::function<void()> on_deadlock;
};

}  // namespace orrery::sim

/// Runs the job's program to its end; at most once in a process.
extern "C" void orrery_simgrid_run(const orrery::sim::SimgridJob& job);
