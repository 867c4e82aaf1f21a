// profiler/execute/microbenchmarks.hpp
//
// What a program's works cost on the machine that will execute it, measured before and apart from it: a
// program of microbenchmarks, run by the same executor. Each distinct kernel sequence and copy of a rank runs
// several times in turn, on all ranks at once (they share the machine's memory and clock in the program too);
// each distinct collective runs several times on the first communicator that performs it, all others at rest,
// while its first member comes late: its time counts from the end of that one's work, so that what it takes
// to notice the end and post the operation is in it.
#pragma once

#include <vector>

#include "profiler/execute/execution.hpp"

namespace orrery::profiler {

/// The microbenchmarks of a program, as a run for `execute_with_mpi` under the same options. Works keep their
/// numbers; one is added, the late member's. Kernels are left out where compute is emulated.
PlannedRun microbenchmarks(const sim::Program& program, const sim::WorkCosts& costs,
                           const ExecuteOptions& options);

/// `costs` with what was measured in place of the durations: medians over ranks and repetitions. Real kernels
/// have the launch that was measured: none where the host runs them itself, else the lower quartile of what
/// issuing them took. `benchmarks` ran as `steps`.
sim::WorkCosts measured_costs(const PlannedRun& benchmarks, const std::vector<MeasuredStep>& steps,
                              sim::WorkCosts costs, const ExecuteOptions& options);

}  // namespace orrery::profiler
