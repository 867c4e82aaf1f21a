// orrery validate --runs FILE.csv: predict recorded runs and compare. orrery validate CONFIG --on mpi|cuda:
// execute an experiment's program and compare (validate_execution.hpp). orrery validate CONFIG --numeric:
// does the program compute the training step it stands for?
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/validate_execution.hpp"
#include "core/csv.hpp"
#include "core/error.hpp"
#include "report/json.hpp"
#include "report/numeric_check.hpp"
#include "report/progress.hpp"
#include "report/terminal.hpp"
#include "report/write_report.hpp"
#include "study/numeric_check.hpp"
#include "study/runs.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string runs;
    std::string out;
    bool json = false;
    int jobs = 0;
    ExecutionOptions execution;
    bool numeric = false;
    int orders = 3;
};

/// orrery validate CONFIG --numeric: the program's mathematics against that of one rank.
int validate_numerically(const Options& options) {
    const ExecutionOptions& given = options.execution;
    if (given.config.empty()) throw InputError({}, "--numeric", "expected an experiment to check");
    const study::Experiment experiment = study::load_experiment(given.config, given.set);
    std::optional<report::Progress> progress(std::in_place, "computing " + experiment.name, 0);
    const report::NumericCheck check = study::check_numerically(experiment, options.orders);
    progress.reset();
    if (options.json) {
        print_json(report::to_json(check));
    } else {
        std::fputs(report::numeric_check_text(check).c_str(), stdout);
    }
    return check.failure ? kCannotRun : kDone;
}

int validate(const Options& options) {
    if (options.numeric) return validate_numerically(options);
    const bool executes = !options.execution.on.empty() || !options.execution.config.empty();
    if (executes && !options.runs.empty())
        throw InputError({}, "--runs", "recorded runs, or an experiment to execute: not both");
    if (executes) {
        ExecutionOptions execution = options.execution;
        execution.out = options.out;
        execution.json = options.json;
        return validate_execution(execution);
    }
    if (options.runs.empty())
        throw InputError({}, "--runs",
                         "expected a table of recorded runs (a CSV file), or an experiment to execute (--on "
                         "mpi, --on cuda)");
    const report::Validation validation = study::validate_runs(csv::read(options.runs), options.jobs);
    if (!options.out.empty()) report::write_validation(options.out, validation);
    if (options.json) {
        print_json(report::to_json(validation));
    } else {
        std::fputs(report::validation_table(validation).c_str(), stdout);
        if (!options.out.empty()) std::printf("\nReport: %s/report.html\n", options.out.c_str());
    }
    return validation.rows.empty() ? kCannotRun : kDone;
}

}  // namespace

Command add_validate(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("validate",
                                           "Predict, and compare with what was measured: recorded runs, or "
                                           "the same program executed or computed");
    command->add_option("--runs", options->runs, "Table of recorded runs, CSV")->type_name("FILE");
    command->add_option("--out", options->out, "Folder for result.json and report.html")->type_name("DIR");
    command->add_option("--jobs", options->jobs, "Threads (default: all cores)")->check(CLI::Range(0, 4096));
    command->add_flag("--json", options->json, "Print one JSON object");
    add_execution_options(*command, options->execution);
    CLI::Option* numeric = command->add_flag(
        "--numeric", options->numeric,
        "Compute what the program's tasks mean, and compare with one rank that holds everything");
    for (const char* other :
         {"--runs", "--jobs", "--out", "--on", "--emulate-compute", "--emulate-communication", "--time-scale",
          "--costs", "--repeat", "--record", "--recorded", "--timeout"})
        numeric->excludes(command->get_option(other));
    command->add_option("--orders", options->orders, "Random orders of the tasks beside five chosen ones")
        ->type_name("N")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str()
        ->needs(numeric);
    return {command, [options] { return validate(*options); }};
}

}  // namespace orrery::cli
