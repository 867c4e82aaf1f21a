// orrery compare CONFIG...: experiments side by side.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/experiment_options.hpp"
#include "core/error.hpp"
#include "report/json.hpp"
#include "report/progress.hpp"
#include "report/terminal.hpp"
#include "report/write_report.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::vector<std::string> configs;
    ExperimentOptions experiment;
};

struct Compared {
    std::vector<report::ComparedRun> runs;
    std::vector<report::Result> results;
    std::vector<std::string> too_large;
};

Compared simulate_all(std::vector<study::Experiment> experiments, const ExperimentOptions& given) {
    report::Progress progress("experiments", experiments.size());
    const std::size_t most_boxes = report::kMostGanttBoxes / experiments.size();
    Compared compared;
    for (study::Experiment& experiment : experiments) {
        const Outcome outcome = simulate(std::move(experiment), given);
        report::ComparedRun run{outcome.result, std::nullopt};
        if (!given.out.empty()) {
            run.gantt = report::make_gantt(outcome.simulation.lowered.program, outcome.simulation.timeline,
                                           most_boxes);
        }
        compared.runs.push_back(std::move(run));
        compared.results.push_back(outcome.result);
        if (!outcome.too_large.empty()) {
            compared.too_large.push_back(outcome.result.experiment + ": " + outcome.too_large);
        }
        progress.advance();
    }
    return compared;
}

int compare(const Options& options) {
    const ExperimentOptions& given = options.experiment;
    if (options.configs.size() < 2) {
        throw InputError({}, "CONFIG",
                         "one experiment cannot be compared; expected two or more, or orrery run");
    }
    // Every file is read before the first is simulated.
    std::vector<study::Experiment> experiments;
    for (const std::string& config : options.configs) experiments.push_back(load(config, given));
    const Compared compared = simulate_all(std::move(experiments), given);
    if (!given.out.empty()) report::write_comparison(given.out, compared.runs);
    if (given.json) {
        print_json(report::to_json(std::span<const report::Result>(compared.results)));
    } else {
        fmt::print("{}", report::comparison_table(compared.results));
        if (!given.out.empty()) fmt::print("\n  report: {}/report.html\n", given.out);
    }
    std::fflush(stdout);
    // That a plan does not fit is a result of a comparison, unless none of them does.
    for (const std::string& text : compared.too_large) fmt::print(stderr, "orrery: {}\n", text);
    return compared.too_large.size() == compared.results.size() ? kCannotRun : kDone;
}

}  // namespace

Command add_compare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("compare", "Simulate two or more experiments side by side");
    command->add_option("configs", options->configs, "Experiments: YAML files, or names in configs")
        ->type_name("CONFIG...")
        ->required();
    add_experiment_options(*command, options->experiment);
    return {command, [options] { return compare(*options); }};
}

}  // namespace orrery::cli
