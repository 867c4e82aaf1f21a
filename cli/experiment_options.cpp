#include "cli/experiment_options.hpp"

#include <spdlog/spdlog.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "report/units.hpp"
#include "study/memory_advice.hpp"
#include "study/replay_links.hpp"

namespace orrery::cli {

namespace {

/// Line breaks with their indent become "; ".
std::string one_line(const std::string& text) {
    std::string line;
    for (const char c : text) {
        if (c == '\n') {
            line += line.ends_with(':') ? "" : ";";
        } else if (c != ' ' || !line.ends_with(' ')) {
            line += c;
        }
    }
    return line;
}

}  // namespace

void add_experiment_options(CLI::App& command, ExperimentOptions& options) {
    command.add_option("--set", options.set, "Change a key of the experiment: parallel.tp=4 (repeatable)")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_option("--out", options.out, "Folder for the reports")->type_name("DIR");
    command.add_flag("--json", options.json, "Print one JSON object");
    command.add_flag("--no-fold", options.no_fold, "Simulate every rank, also those that do the same work");
    command.add_option("--engine", options.engine, "replay, flow or simgrid")->type_name("NAME");
    command.add_flag("--timing", options.timing, "Report the simulation's own wall-clock time too");
}

std::vector<std::string> overrides(const ExperimentOptions& options) {
    std::vector<std::string> overrides = options.set;
    if (options.no_fold) overrides.emplace_back("fold=false");
    if (!options.engine.empty()) overrides.push_back("engine=" + options.engine);
    return overrides;
}

study::Experiment load(const std::string& name_or_path, const ExperimentOptions& options) {
    return study::load_experiment(name_or_path, overrides(options));
}

Outcome simulate(study::Experiment experiment, const ExperimentOptions& options) {
    Outcome outcome{std::move(experiment), {}, {}, {}};
    outcome.simulation = study::simulate(outcome.experiment);
    if (options.links) study::add_replay_links(outcome.experiment, outcome.simulation);
    const study::Simulation& s = outcome.simulation;
    outcome.result = study::summarize(outcome.experiment, s);
    const auto tasks = static_cast<double>(outcome.result.simulation.tasks);
    spdlog::debug("{}: engine {}, {} tasks in {}, of {} in all", outcome.experiment.name,
                  outcome.result.engine, outcome.result.simulation.tasks, report::duration(s.engine_s),
                  report::duration(s.wall_s));
    if (options.timing) {
        outcome.result.simulation.wall_s = s.wall_s;
        if (s.engine_s > 0) outcome.result.simulation.tasks_per_s = tasks / s.engine_s;
    }
    if (!outcome.result.memory.fits) {
        const auto changes =
            study::changes_that_save_memory(outcome.experiment, outcome.result.memory.peak_bytes);
        outcome.too_large = study::does_not_fit(outcome.experiment, outcome.result, changes);
        outcome.result.notes.insert(outcome.result.notes.begin(), one_line(outcome.too_large));
    }
    return outcome;
}

}  // namespace orrery::cli
