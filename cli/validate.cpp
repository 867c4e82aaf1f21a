// orrery validate --runs FILE.csv: predict recorded runs and compare. orrery validate CONFIG --on mpi:
// execute an experiment's program and compare (validate_execution.hpp).
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/validate_execution.hpp"
#include "core/csv.hpp"
#include "core/error.hpp"
#include "report/json.hpp"
#include "report/terminal.hpp"
#include "report/write_report.hpp"
#include "study/runs.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string runs;
    std::string out;
    bool json = false;
    int jobs = 0;
    ExecutionOptions execution;
};

int validate(const Options& options) {
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
        throw InputError(
            {}, "--runs",
            "expected a table of recorded runs (a CSV file), or an experiment to execute --on mpi");
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
    CLI::App* command = app.add_subcommand(
        "validate",
        "Predict, and compare with what was measured: recorded runs, or the same program executed");
    command->add_option("--runs", options->runs, "Table of recorded runs, CSV")->type_name("FILE");
    command->add_option("--out", options->out, "Folder for result.json and report.html")->type_name("DIR");
    command->add_option("--jobs", options->jobs, "Threads (default: all cores)")->check(CLI::Range(0, 4096));
    command->add_flag("--json", options->json, "Print one JSON object");
    add_execution_options(*command, options->execution);
    return {command, [options] { return validate(*options); }};
}

}  // namespace orrery::cli
