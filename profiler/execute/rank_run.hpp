// profiler/execute/rank_run.hpp
//
// One rank's share of a program, executed: tasks of a stream in order, each when what it waits for has ended
// and the host has issued it (sim/program.hpp). One thread issues, talks to the other ranks and keeps the
// emulated device's time; real kernels and copies run on a thread of their own for each stream that has any,
// so that messages progress beside them.
#pragma once

#include "profiler/execute/execution.hpp"
#include "profiler/execute/job.hpp"
#include "profiler/execute/local_work.hpp"
#include "profiler/execute/rank_memory.hpp"
#include "profiler/execute/transport.hpp"

namespace orrery::profiler {

/// Runs the rank's tasks once. `begin_s` is the moment, by the transport's clock, at which all ranks begin;
/// times are counted from it. `local` is null where compute is emulated. `memory` holds the static bytes.
/// Throws ExperimentError when the rank is stuck (naming its tasks in flight) or the members of a
/// communicator disagree, std::bad_alloc (via ExperimentError that names the task) without memory.
RankStep run_rank_step(const PlannedRun& run, sim::RankId rank, const ExecuteOptions& options,
                       Transport& transport, LocalWork* local, RankMemory& memory, double begin_s);

}  // namespace orrery::profiler
