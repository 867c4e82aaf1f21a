#include "cli/validate_execution.hpp"

#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "profiler/execute/execution.hpp"
#include "report/execution.hpp"
#include "report/progress.hpp"
#include "study/execute.hpp"
#include "study/recorded_execution.hpp"

namespace orrery::cli {
namespace {

void check(const ExecutionOptions& given) {
    if (given.config.empty()) throw InputError({}, "--on", "expected an experiment to execute");
    if (!given.recorded.empty()) {
        if (!given.on.empty() || !given.record.empty())
            throw InputError({}, "--recorded", "an execution recorded before, or a new one: not both");
        return;
    }
    if (given.on.empty())
        throw InputError(
            {}, "--on",
            "expected what to validate with: --on mpi or cuda executes the experiment, --numeric "
            "computes it");
    const study::Executor executor = study::executor_named(given.on);
    if (executor == study::Executor::cuda && given.emulate_compute)
        throw InputError({}, "--emulate-compute", "is for --on mpi: GPUs run their kernels");
    const std::vector<std::string> sources{"machine", "experiment"};
    if (given.costs != sources[0] && given.costs != sources[1])
        throw InputError({}, "--costs", unknown_name("source", given.costs, sources));
    for (const auto& [value, name] : {std::pair{given.emulate_communication, "--emulate-communication"},
                                      {given.time_scale.has_value(), "--time-scale"}}) {
        if (value && !given.emulate_compute) throw InputError({}, name, "needs --emulate-compute");
    }
}

study::ExecuteRequest request_of(const ExecutionOptions& given) {
    study::ExecuteRequest request;
    request.executor = study::executor_named(given.on);
    request.options.emulate_compute = given.emulate_compute;
    request.options.emulate_communication = given.emulate_communication;
    request.options.repeat = given.repeat;
    request.options.warm_up = given.emulate_compute ? 0 : 1;
    request.options.timeout_s = given.timeout_s;
    request.time_scale = given.time_scale;
    request.costs = given.costs == "machine" ? study::CostSource::machine : study::CostSource::experiment;
    request.rank_command = {std::filesystem::read_symlink("/proc/self/exe").string(), "execute-rank"};
    return request;
}

study::Executed given_or_new(const ExecutionOptions& options, const study::Experiment& experiment) {
    if (!options.recorded.empty()) return study::read_recording(options.recorded, experiment);
    return study::execute(experiment, request_of(options));
}

/// The processes of a job wait for the first one: it sends them home, whatever becomes of it.
class OtherProcesses {
  public:
    OtherProcesses() = default;
    ~OtherProcesses() { profiler::dismiss_mpi_job(); }
    OtherProcesses(const OtherProcesses&) = delete;
    OtherProcesses& operator=(const OtherProcesses&) = delete;
};

int executed_and_compared(const ExecutionOptions& options) {
    const study::Experiment experiment = study::load_experiment(options.config, options.set);
    std::optional<report::Progress> progress(std::in_place, "executing " + experiment.name, 0);
    const study::Executed executed = given_or_new(options, experiment);
    if (!options.record.empty())
        write_file_atomically(options.record, study::recording_of(experiment, executed));
    progress.reset();
    const report::ExecutionComparison comparison = study::compare(experiment, executed);
    if (!options.out.empty()) {
        report::write_execution(options.out, comparison, executed.simulation.lowered.program,
                                executed.simulation.timeline,
                                executed.steps[study::median_step(executed)].timeline);
    }
    if (options.json) {
        print_json(report::to_json(comparison));
    } else {
        fmt::print("{}", report::execution_table(comparison));
        if (!options.out.empty()) fmt::print("\nReport: {}/report.html\n", options.out);
    }
    return comparison.mismatch ? kCannotRun : kDone;
}

}  // namespace

void add_execution_options(CLI::App& command, ExecutionOptions& options) {
    command.add_option("config", options.config, "Experiment to execute: a YAML file, or a name in configs")
        ->type_name("CONFIG");
    command
        .add_option("--on", options.on,
                    "Execute the same program: 'mpi', one process a rank; 'cuda', one GPU a rank, or "
                    "all ranks in one")
        ->type_name("EXECUTOR");
    command.add_option("--set", options.set, "Change a key of the experiment: parallel.tp=4 (repeatable)")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_flag("--emulate-compute", options.emulate_compute,
                     "Kernels wait their predicted time: many ranks share few cores");
    command.add_flag("--emulate-communication", options.emulate_communication,
                     "Messages are small, and held for their predicted time");
    command
        .add_option("--time-scale", options.time_scale, "Emulated times are so many times the predicted ones")
        ->type_name("X")
        ->check(CLI::PositiveNumber);
    command
        .add_option("--costs", options.costs,
                    "What the prediction is made with: 'machine', microbenchmarks before the run, or "
                    "'experiment', its calibration")
        ->type_name("SOURCE")
        ->capture_default_str();
    command.add_option("--repeat", options.repeat, "Executions; medians and spread are told")
        ->type_name("N")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    command.add_option("--record", options.record, "Save the execution, to be compared again")
        ->type_name("FILE");
    command
        .add_option("--recorded", options.recorded,
                    "Compare an execution that was saved; nothing is executed")
        ->type_name("FILE");
    command.add_option("--timeout", options.timeout_s, "A rank on which nothing ends for so long is stuck")
        ->type_name("S")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
}

int validate_execution(const ExecutionOptions& options) {
    check(options);
    if (options.on == "cuda") return executed_and_compared(options);
    if (!profiler::first_of_mpi_job()) {
        profiler::join_mpi_job();
        return kDone;
    }
    const OtherProcesses others;
    return executed_and_compared(options);
}

}  // namespace orrery::cli
