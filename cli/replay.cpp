// orrery replay TRACES: the step that a folder of Chakra execution traces describes, as recorded or on a
// cluster.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "report/progress.hpp"
#include "report/trace.hpp"
#include "report/units.hpp"
#include "study/traced_run.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string traces;
    study::TracedRunChoice choice;
    std::string engine = "replay";
    std::string out;
    bool json = false;
};

study::EngineKind engine_of(const std::string& name) {
    std::vector<std::string> names;
    for (const study::EngineKind engine :
         {study::EngineKind::replay, study::EngineKind::flow, study::EngineKind::simgrid}) {
        if (study::to_string(engine) == name) return engine;
        names.emplace_back(study::to_string(engine));
    }
    throw InputError({}, "--engine", unknown_name("engine", name, names));
}

nlohmann::ordered_json to_json(const Options& options, const study::TracedRun& run) {
    nlohmann::ordered_json json{{"traces", options.traces},
                                {"engine", options.engine},
                                {"cluster", nullptr},
                                {"ranks", run.traced.program.ranks.size()},
                                {"tasks", run.traced.program.tasks()},
                                {"step_time_s", run.step_time_s},
                                {"mean_compute_s", run.mean_compute_s},
                                {"most_compute_s", run.most_compute_s},
                                {"communication", nlohmann::ordered_json::object()},
                                {"notes", run.notes}};
    if (!run.cluster.empty()) json["cluster"] = run.cluster;
    for (const auto& [kind, traffic] : run.by_kind)
        json["communication"][kind] = {{"operations", traffic.operations}, {"bytes", traffic.bytes}};
    return json;
}

void print(const Options& options, const study::TracedRun& run) {
    fmt::print("{}: {} ranks, {} tasks\n", options.traces, run.traced.program.ranks.size(),
               run.traced.program.tasks());
    fmt::print("  step time        {:>10}\n", report::duration(run.step_time_s));
    fmt::print("  compute, mean    {:>10}  {:.1f}% of the step\n", report::duration(run.mean_compute_s),
               run.step_time_s > 0 ? 100 * run.mean_compute_s / run.step_time_s : 0);
    fmt::print("  compute, most    {:>10}  of the busiest rank\n", report::duration(run.most_compute_s));
    fmt::print("  communication    {:>10}\n", run.cluster.empty() ? "as recorded" : "on " + run.cluster);
    for (const auto& [kind, traffic] : run.by_kind)
        fmt::print("    {:<14} {:>10}  operations of {} in all\n", kind, traffic.operations,
                   report::bytes(traffic.bytes));
    for (const std::string& note : run.notes) fmt::print("  note: {}\n", note);
}

int replay(Options& options) {
    options.choice.engine = engine_of(options.engine);
    std::optional<report::Progress> progress(std::in_place, "replaying " + options.traces, 0);
    const study::TracedRun run = study::run_traces(options.traces, options.choice);
    if (!options.out.empty()) {
        const std::filesystem::path folder = options.out;
        write_file_atomically(folder / "trace.json.gz",
                              report::trace_json_gz(run.traced.program, run.timeline));
        write_file_atomically(folder / "replay.json", to_json(options, run).dump(2) + "\n");
    }
    progress.reset();
    if (options.json) {
        print_json(to_json(options, run));
    } else {
        print(options, run);
        if (!options.out.empty()) fmt::print("\n  trace: {}/trace.json.gz (ui.perfetto.dev)\n", options.out);
    }
    return kDone;
}

}  // namespace

Command add_replay(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("replay", "Replay a folder of Chakra execution traces");
    command->add_option("traces", options->traces, "Folder of NAME.RANK.et and comm_groups.json")
        ->type_name("DIR")
        ->required();
    command
        ->add_option(
            "--cluster", options->choice.cluster,
            "Kind of node to communicate on: a name in topologies/zoo, or a file (default: communications "
            "last as recorded)")
        ->type_name("NAME");
    command
        ->add_option("--calibration", options->choice.collectives,
                     "Collective calibration (default: the node's)")
        ->type_name("NAME");
    command->add_option("--engine", options->engine, "replay, flow or simgrid")->type_name("NAME");
    command->add_option("--out", options->out, "Folder for trace.json.gz and replay.json")->type_name("DIR");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return replay(*options); }};
}

}  // namespace orrery::cli
