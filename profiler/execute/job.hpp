// profiler/execute/job.hpp
//
// An execution as bytes, on its way between processes: what is to be run, and what came of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "profiler/execute/execution.hpp"

namespace orrery::profiler {

struct Job {
    std::vector<PlannedRun> runs;
    ExecuteOptions options;
};

std::string to_bytes(const Job& job);
/// Throws std::runtime_error for bytes of another build, or cut off.
Job job_from(std::string_view bytes);

std::string to_bytes(const Execution& execution);
Execution execution_from(std::string_view bytes);

/// What one rank has measured of one step.
struct RankStep {
    std::vector<double> start_s;  ///< [task]
    std::vector<double> end_s;
    double peak_bytes = 0;
    double noticed_late_s = 0;
};
std::string to_bytes(const RankStep& step);
RankStep rank_step_from(std::string_view bytes);

/// The number of processes the runs need. Throws ExperimentError when they differ, or when a program is
/// folded; SimulationError when it is not valid.
int ranks_of(const std::vector<PlannedRun>& runs);

}  // namespace orrery::profiler
