// study/execute.hpp
//
// The same program predicted and executed: the experiment is lowered once, its works are priced, the engine
// replays it, and the processes or GPUs of a machine run it (profiler/execute).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/execute/execution.hpp"
#include "report/execution.hpp"
#include "study/experiment.hpp"
#include "study/simulate.hpp"

namespace orrery::study {

/// What executes.
enum class Executor : std::uint8_t {
    mpi,   ///< a process a rank
    cuda,  ///< GPUs of this machine
};
std::string_view to_string(Executor executor);
/// The executor of that name. Throws InputError naming the nearest valid one.
Executor executor_named(const std::string& name);

/// Where the costs of a prediction come from.
enum class CostSource : std::uint8_t {
    machine,     ///< microbenchmarks of the program's works on the machine, before it runs
    experiment,  ///< the experiment's calibration
};

struct ExecuteRequest {
    Executor executor = Executor::mpi;
    profiler::ExecuteOptions options;
    /// Emulated times are so many times the experiment's. Not given: 1, or as much as makes a step last a
    /// quarter of a second.
    std::optional<double> time_scale;
    CostSource costs = CostSource::machine;
    std::vector<std::string> rank_command;  ///< see profiler::execute_with_mpi
};

/// A program, what was predicted of it and what was measured.
struct Executed {
    Simulation simulation;        ///< every rank; its timeline is the prediction
    sim::WorkCosts costs;         ///< that the prediction was made with
    std::vector<double> added_s;  ///< to each task, by disturbances of the experiment; empty: none
    Executor executor = Executor::mpi;
    profiler::ExecuteOptions options;
    CostSource cost_source = CostSource::machine;
    double time_scale = 1;
    std::string machine;
    std::vector<profiler::MeasuredStep> steps;
};

/// Throws ExperimentError, SimulationError, MissingCapability; InputError for keys that the executor does not
/// honour (collectives, engines other than replay).
Executed execute(const Experiment& experiment, const ExecuteRequest& request);

/// The experiment's program with every rank in it, replayed: what an execution starts from.
Simulation simulate_every_rank(const Experiment& experiment);

/// The program's timeline under the costs and what is added.
sim::Timeline predicted_again(const Executed& executed);

/// Prediction beside measurement.
report::ExecutionComparison compare(const Experiment& experiment, const Executed& executed);

/// The step with the median step time (the lower of two middle ones).
std::size_t median_step(const Executed& executed);

}  // namespace orrery::study
