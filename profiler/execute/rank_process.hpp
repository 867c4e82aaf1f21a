// profiler/execute/rank_process.hpp
//
// What every process of an execution does: its rank of every run, step after step.
#pragma once

#include "profiler/execute/job.hpp"
#include "profiler/execute/transport.hpp"

namespace orrery::profiler {

/// All processes call it with the same job. The first one gets what all have measured; the others' result is
/// empty. Throws ExperimentError (and then the caller ends all processes).
Execution execute_rank(const Job& job, Transport& transport);

}  // namespace orrery::profiler
