#include "study/execute.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <variant>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "profiler/execute/local_work.hpp"
#include "profiler/execute/microbenchmarks.hpp"
#include "report/units.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "study/collective_choice.hpp"
#include "study/flow_run.hpp"

namespace orrery::study {
namespace {

constexpr double kShortestStep = 0.25;  ///< seconds, of an emulated step that is stretched by itself
constexpr double kTimeoutOfSteps = 3;   ///< a rank may wait for most of a step
constexpr double kMostOfMemory = 0.9;   ///< of what is available

/// Every rank, by replay.
Experiment as_executed(Experiment experiment) {
    if (experiment.engine != EngineKind::replay)
        throw InputError(experiment.where("engine"), "engine", "an execution is compared with engine replay");
    experiment.fold = false;
    return experiment;
}

void scale(sim::WorkCosts& costs, const sim::Program& program, double factor, bool communication) {
    for (std::size_t work = 0; work < costs.size(); ++work) {
        sim::WorkCost& cost = costs[work];
        cost.launch_s *= factor;
        if (!communication && std::holds_alternative<sim::Collective>(program.works[work])) {
            // The message is real; the host's launch is emulated, and shorter than the message by nature.
            cost.issue_to_end_s = cost.duration_s;
            continue;
        }
        cost.duration_s *= factor;
        cost.issue_to_end_s *= factor;
    }
}

double available_memory() {
    std::ifstream file("/proc/meminfo");
    std::string name;
    double kib = 0;
    std::string unit;
    while (file >> name >> kib >> unit) {
        if (name == "MemAvailable:") return kib * 1024;
    }
    return static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Before anything starts, where memory will be touched: what all ranks need at their peaks.
void check_memory(const Executed& executed) {
    if (executed.executor == Executor::cuda) return;  // the GPU says, before the first kernel
    if (executed.options.emulate_compute || profiler::in_mpi_job()) return;
    const sim::Program& program = executed.simulation.lowered.program;
    double needed = 0;
    for (const sim::RankMemory& rank : sim::measure_memory(program, executed.simulation.timeline).per_rank)
        needed += rank.peak_bytes + profiler::LocalWork::arena_bytes(program, rank.rank);
    const double most = kMostOfMemory * available_memory();
    if (needed <= most) return;
    throw ExperimentError(fmt::format(
        "not enough memory: the {} ranks need {} at their peaks, this machine has {} to give; take "
        "a smaller model or batch, or --emulate-compute, which only reserves memory",
        program.ranks.size(), report::bytes(needed), report::bytes(most)));
}

}  // namespace

Simulation simulate_every_rank(const Experiment& experiment) {
    return simulate(as_executed(experiment));
}

sim::Timeline predicted_again(const Executed& executed) {
    return sim::replay(executed.simulation.lowered.program, executed.costs, executed.added_s);
}

std::string_view to_string(Executor executor) {
    return executor == Executor::mpi ? "mpi" : "cuda";
}

Executor executor_named(const std::string& name) {
    for (const Executor executor : {Executor::mpi, Executor::cuda})
        if (name == to_string(executor)) return executor;
    const std::vector<std::string> known{"mpi", "cuda"};
    throw InputError({}, "--on", unknown_name("executor", name, known));
}

Executed execute(const Experiment& experiment, const ExecuteRequest& request) {
    if (!request.options.emulate_communication && !describe(experiment.collectives).empty())
        throw InputError(
            experiment.where("collectives"), "collectives",
            request.executor == Executor::mpi
                ? "MPI carries collectives out by its own algorithms; leave the key out, or "
                  "emulate communication too"
                : "GPUs carry collectives out by NCCL's algorithms or by copies; leave the key out");
    if (request.executor == Executor::cuda) profiler::check_cuda_here();  // not after a long simulation
    Executed executed;
    executed.executor = request.executor;
    executed.options = request.options;
    executed.cost_source = request.costs;
    executed.simulation = simulate_every_rank(experiment);
    const sim::Program& program = executed.simulation.lowered.program;
    executed.costs = executed.simulation.prices.costs;
    profiler::ExecuteOptions& options = executed.options;
    if (options.emulate_compute) {
        const double step = executed.simulation.timeline.makespan();
        executed.time_scale =
            request.time_scale.value_or(step > 0 && step < kShortestStep ? kShortestStep / step : 1);
        scale(executed.costs, program, executed.time_scale, options.emulate_communication);
        executed.added_s = sim::kernel_stretch(program, executed.costs, kernel_disturbances(experiment));
    }
    executed.simulation.timeline = predicted_again(executed);
    check_memory(executed);
    options.timeout_s =
        std::max(options.timeout_s, kTimeoutOfSteps * executed.simulation.timeline.makespan());

    std::vector<profiler::PlannedRun> runs;
    const bool benchmarks = request.costs == CostSource::machine && !options.emulate_communication;
    if (benchmarks) runs.push_back(profiler::microbenchmarks(program, executed.costs, options));
    runs.push_back({program, executed.costs, executed.added_s, {}});
    profiler::Execution execution = request.executor == Executor::mpi
                                        ? profiler::execute_with_mpi(runs, options, request.rank_command)
                                        : profiler::execute_with_cuda(runs, options);
    executed.machine = execution.machine;
    executed.steps = std::move(execution.steps.back());
    if (benchmarks) {
        executed.costs =
            profiler::measured_costs(runs.front(), execution.steps.front(), executed.costs, options);
        executed.simulation.timeline = predicted_again(executed);
    }
    return executed;
}

}  // namespace orrery::study
