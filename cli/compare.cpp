// orrery compare CONFIG...: experiments side by side.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/compare.hpp"
#include "cli/exit_status.hpp"
#include "cli/experiment_options.hpp"
#include "core/error.hpp"
#include "report/json.hpp"
#include "report/pareto.hpp"
#include "report/progress.hpp"
#include "report/terminal.hpp"
#include "report/write_report.hpp"
#include "study/variants.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::vector<std::string> configs;
    ExperimentOptions experiment;
};

void add(Compared& compared, Outcome outcome, std::size_t most_boxes, bool draw) {
    report::ComparedRun run{outcome.result, std::nullopt};
    if (draw)
        run.gantt =
            report::make_gantt(outcome.simulation.lowered.program, outcome.simulation.timeline, most_boxes);
    compared.runs.push_back(std::move(run));
    compared.results.push_back(outcome.result);
    if (!outcome.too_large.empty())
        compared.too_large.push_back(outcome.result.experiment + ": " + outcome.too_large);
}

int exit_status(const Compared& compared) {
    std::fflush(stdout);
    // That a plan does not fit is a result of a comparison, unless none of them does.
    return compared.too_large.size() == compared.results.size() ? kCannotRun : kDone;
}

int compare_variants(const Options& options) {
    const ExperimentOptions& given = options.experiment;
    const Compared compared =
        simulate_variants(study::load_variants(options.configs.front(), overrides(given)), given);
    if (!given.out.empty()) report::write_comparison(given.out, compared.runs);
    if (given.json) {
        print_json(variants_json(compared));
    } else {
        fmt::print("{}", report::variants_table(compared.results, compared.refused));
        if (!given.out.empty()) fmt::print("\n  report: {}/report.html\n", given.out);
    }
    return exit_status(compared);
}

int compare(const Options& options) {
    const ExperimentOptions& given = options.experiment;
    if (options.configs.size() == 1 && study::describes_several(options.configs.front()))
        return compare_variants(options);
    if (options.configs.size() < 2) {
        throw InputError({}, "CONFIG",
                         "one experiment cannot be compared; expected two or more, a file that says what it "
                         "varies (vary:), or orrery run");
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
    for (const std::string& text : compared.too_large) fmt::print(stderr, "orrery: {}\n", text);
    return exit_status(compared);
}

}  // namespace

Compared simulate_all(std::vector<study::Experiment> experiments, const ExperimentOptions& given) {
    report::Progress progress("experiments", experiments.size());
    const std::size_t most_boxes = report::kMostGanttBoxes / experiments.size();
    Compared compared;
    for (study::Experiment& experiment : experiments) {
        add(compared, simulate(std::move(experiment), given), most_boxes, !given.out.empty());
        progress.advance();
    }
    return compared;
}

/// Of the experiments of one file some may be impossible; that is part of the answer.
Compared simulate_variants(std::vector<study::Variant> variants, const ExperimentOptions& given) {
    report::Progress progress("experiments", variants.size());
    const std::size_t most_boxes = report::kMostGanttBoxes / variants.size();
    Compared compared;
    for (study::Variant& variant : variants) {
        progress.advance();
        if (!variant.experiment) {
            compared.refused.emplace_back(variant.name, variant.refused);
            continue;
        }
        try {
            add(compared, simulate(*std::move(variant.experiment), given), most_boxes, !given.out.empty());
        } catch (const ExperimentError& error) {
            compared.refused.emplace_back(variant.name, error.what());
        } catch (const SimulationError& error) {
            compared.refused.emplace_back(variant.name, error.what());
        } catch (const InputError& error) {
            compared.refused.emplace_back(variant.name, error.message);
        }
    }
    if (compared.results.empty())
        throw ExperimentError(fmt::format("none of the {} experiments can be simulated; {}: {}",
                                          variants.size(), compared.refused.front().first,
                                          compared.refused.front().second));
    return compared;
}

nlohmann::ordered_json variants_json(const Compared& compared) {
    report::Json json = report::to_json(std::span<const report::Result>(compared.results));
    json["front"] = report::Json::array();
    const std::vector<bool> on_front = report::time_memory_front(compared.results);
    for (std::size_t i = 0; i < on_front.size(); ++i)
        if (on_front[i]) json["front"].push_back(compared.results[i].experiment);
    json["refused"] = report::Json::object();
    for (const auto& [name, reason] : compared.refused) json["refused"][name] = reason;
    return json;
}

Command add_compare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "compare", "Simulate two or more experiments side by side, or all that one file describes (vary:)");
    command->add_option("configs", options->configs, "Experiments: YAML files, or names in configs")
        ->type_name("CONFIG...")
        ->required();
    add_experiment_options(*command, options->experiment);
    return {command, [options] { return compare(*options); }};
}

}  // namespace orrery::cli
