// orrery export CONFIG --out DIR: the step of an experiment as Chakra execution traces, for other simulators.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/experiment_options.hpp"
#include "core/error.hpp"
#include "report/progress.hpp"
#include "sim/chakra/chakra.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string config;
    ExperimentOptions experiment;
};

int export_traces(const Options& options) {
    ExperimentOptions given = options.experiment;
    given.no_fold = true;  // a trace is of every rank
    study::Experiment experiment = load(options.config, given);
    std::optional<report::Progress> progress(std::in_place, "exporting " + experiment.name, 0);
    const study::Simulation simulation = study::simulate(experiment);
    const sim::ChakraSize size = sim::write_chakra(given.out, simulation.lowered.program,
                                                   simulation.prices.costs, simulation.timeline);
    progress.reset();
    if (given.json) {
        print_json({{"experiment", experiment.name},
                    {"ranks", simulation.lowered.program.ranks.size()},
                    {"nodes", size.nodes},
                    {"bytes", size.bytes},
                    {"makespan_s", simulation.timeline.makespan()},
                    {"traces", given.out + "/trace"},
                    {"groups", given.out + "/comm_groups.json"}});
        return kDone;
    }
    fmt::print("{}: {} ranks, {} nodes, {:.1f} MB\n", experiment.name,
               simulation.lowered.program.ranks.size(), size.nodes, static_cast<double>(size.bytes) * 1e-6);
    fmt::print("  traces  {}/trace.RANK.et\n  groups  {}/comm_groups.json\n", given.out, given.out);
    return kDone;
}

}  // namespace

Command add_export(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "export", "Write the step of an experiment as Chakra execution traces, one a rank");
    ExperimentOptions& experiment = options->experiment;
    command->add_option("config", options->config, "Experiment: a YAML file, or a name in configs")
        ->type_name("CONFIG")
        ->required();
    command->add_option("--out", experiment.out, "Folder for the traces")->type_name("DIR")->required();
    command->add_option("--set", experiment.set, "Change a key of the experiment: parallel.tp=4 (repeatable)")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option("--engine", experiment.engine, "Whose times the traces have: replay, flow or simgrid")
        ->type_name("NAME");
    command->add_flag("--json", experiment.json, "Print one JSON object");
    return {command, [options] { return export_traces(*options); }};
}

}  // namespace orrery::cli
