// orrery validate --runs FILE.csv: predict recorded runs and compare. orrery validate CONFIG --on mpi|cuda:
// execute an experiment's program and compare (validate_execution.hpp). orrery validate CONFIG --numeric:
// does the program compute the training step it stands for?
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/validate_execution.hpp"
#include "core/csv.hpp"
#include "core/data_path.hpp"
#include "core/error.hpp"
#include "profiler/collective_recipes.hpp"
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
    std::optional<std::string> collectives;
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

/// orrery validate --collectives: published nccl-tests rows that no calibration was fitted to.
int validate_collectives(const Options& options) {
    const auto recipes =
        profiler::read_collective_recipes(data_file("calibrations/data", "collective_fits", "list of fits"));
    std::vector<profiler::CollectiveSample> samples;
    if (options.collectives->empty()) {
        for (const auto& table : recipes.held_out)
            for (auto& sample : profiler::read_collective_samples(table))
                samples.push_back(std::move(sample));
    } else {
        samples = profiler::read_collective_samples(*options.collectives);
    }
    const auto rows = profiler::held_out_errors(samples, recipes);
    if (options.json) {
        nlohmann::ordered_json json = nlohmann::ordered_json::array();
        for (const auto& row : rows)
            json.push_back({{"gpu", row.gpu},
                            {"nodes", row.nodes},
                            {"collective", row.collective},
                            {"size", row.size},
                            {"calibration", row.calibration},
                            {"samples", row.samples},
                            {"median_abs_error", row.median},
                            {"max_abs_error", row.worst},
                            {"mean_signed_error", row.mean_signed}});
        print_json({{"collectives", json}});
        return kDone;
    }
    fmt::print("{:<14}{:>5}  {:<15}{:<15}{:>5}{:>8}{:>8}{:>8}\n", "GPU", "nodes", "collective", "bytes",
               "rows", "median", "worst", "signed");
    for (const auto& row : rows)
        fmt::print("{:<14}{:>5}  {:<15}{:<15}{:>5}{:>7.1f}%{:>7.1f}%{:>+7.1f}%\n", row.gpu,
                   row.nodes > 0 ? std::to_string(row.nodes) : "", row.collective, row.size, row.samples,
                   100 * row.median, 100 * row.worst, 100 * row.mean_signed);
    return kDone;
}

int validate(const Options& options) {
    if (options.collectives) return validate_collectives(options);
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
    command
        ->add_option("--collectives", options->collectives,
                     "Compare the collective calibrations with nccl-tests rows: a table with the columns of "
                     "calibrations/data/nccl.csv (default: the published ones that no fit reads)")
        ->type_name("FILE")
        ->expected(0, 1)
        ->default_str("");
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
