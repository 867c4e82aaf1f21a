// study/fit_run.hpp
//
// A recorded step beside the simulated one, family by family, and the one parameter that no microbenchmark
// sees: how long the framework's host takes for an operator. What is fitted to a run is written into the
// calibration with the run's name (sim::Calibration::runs); validation leaves such runs out.
#pragma once

#include <string>
#include <vector>

#include "profiler/runs/summarize_run.hpp"
#include "sim/cost/calibration.hpp"
#include "study/simulate.hpp"

namespace orrery::study {

/// One family of kernels or collectives on one rank, per step. Times are sums of durations.
struct FamilyComparison {
    profiler::RunFamily family = profiler::RunFamily::other;
    double measured_tasks = 0;
    double measured_s = 0;
    double predicted_tasks = 0;
    double predicted_s = 0;
};

struct RunComparison {
    double measured_step_s = 0;
    double predicted_step_s = 0;
    double measured_gap_s = 0;               ///< of a step: no device work at all
    double predicted_gap_s = 0;              ///< of the same rank, simulated
    std::vector<FamilyComparison> families;  ///< those that either has, by measured time
};

/// Compares with the simulated rank of the recording's rank number, or with the first where that is not
/// known.
RunComparison compare_run(const Experiment& experiment, const Simulation& simulation,
                          const sim::Calibration& calibration, const profiler::MeasuredRun& run);

struct HostFit {
    double scale = 1;        ///< on every framework operator's host time
    double predicted_s = 0;  ///< step time with it
    bool met = false;  ///< false: no scale from 0 to 20 meets the measured step; the nearest end is given
};

/// Bisection: the step time grows with the host's. `measured_step_s` > 0.
HostFit fit_host(const Experiment& experiment, const Simulation& simulation,
                 const sim::Calibration& calibration, double measured_step_s);

/// The calibration with the fit in it, and the names that the run goes by (its file, its row of a table).
sim::Calibration with_host_fit(sim::Calibration calibration, const HostFit& fit,
                               const std::vector<std::string>& run_names);

}  // namespace orrery::study
