// orrery run CONFIG: one experiment.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/experiment_options.hpp"
#include "cli/live_session.hpp"
#include "core/error.hpp"
#include "report/json.hpp"
#include "report/progress.hpp"
#include "report/terminal.hpp"
#include "report/write_report.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string config;
    std::optional<std::uint64_t> point;
    ExperimentOptions experiment;
};

int run(const Options& options) {
    ExperimentOptions given = options.experiment;
    study::Experiment experiment = options.point
                                       ? point_of_study(options.config, *options.point, overrides(given))
                                       : load(options.config, given);
    given.links = given.links || !given.out.empty() || experiment.model.experts.count > 0;
    std::optional<report::Progress> progress(std::in_place, "simulating " + experiment.name, 0);
    Outcome outcome = simulate(std::move(experiment), given);
    if (!given.out.empty()) {
        const study::Simulation& s = outcome.simulation;
        if (s.flow && outcome.result.network)
            outcome.result.network->picture = study::network_picture(
                outcome.experiment.cluster, s.lowered.program, *s.flow, s.step_time_s());
        report::write_report(given.out, outcome.result, outcome.simulation.lowered.program,
                             outcome.simulation.timeline);
    }
    progress.reset();
    if (given.json) {
        print_json(report::to_json(outcome.result));
    } else {
        fmt::print("{}", report::run_summary(outcome.result));
        if (!given.out.empty()) fmt::print("\n  report: {}/report.html\n", given.out);
    }
    // The result is there to be looked at; the plan still cannot run.
    if (!outcome.too_large.empty()) throw ExperimentError(outcome.too_large);
    return kDone;
}

}  // namespace

Command add_run(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("run", "Simulate one training step of one experiment");
    command->add_option("config", options->config, "Experiment: a YAML file, or a name in configs")
        ->type_name("CONFIG")
        ->required();
    command
        ->add_option("--point", options->point,
                     "CONFIG is a study: its point of that number, as orrery sweep counts them")
        ->type_name("N");
    add_experiment_options(*command, options->experiment);
    command->add_flag("--links", options->experiment.links,
                      "Work out what each link carries (always done with --out, and of mixtures of experts)");
    return {command, [options] { return run(*options); }};
}

}  // namespace orrery::cli
