// orrery calibrate SAMPLES... --gpu NAME --out FILE: samples in, calibration out.
// orrery calibrate LOG... --node NAME [--out FILE]: nccl-tests' output in (cli/calibrate_collectives.cpp).
// orrery calibrate --diff A B: two calibrations side by side.
// orrery calibrate --runs TRACE [--experiment CONFIG] [--out FILE]: a recorded step, beside the simulated
// one.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/calibrate_collectives.hpp"
#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "profiler/calibrate.hpp"
#include "profiler/calibrate_profile.hpp"
#include "profiler/compare_calibrations.hpp"
#include "profiler/runs/summarize_run.hpp"
#include "report/units.hpp"
#include "sim/cost/collective_cost.hpp"
#include "study/fit_run.hpp"
#include "topologies/gpu_file.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::vector<std::string> samples;
    std::string gpu;
    std::string out;
    std::string base;
    std::string node;
    std::string collective;
    std::vector<std::string> notes;
    std::vector<std::string> diff;
    std::string runs;
    std::string experiment;
    double step_time_s = 0;
    bool json = false;
};

/// A line of the table: what was fitted and how well.
struct Fit {
    std::string what;
    const sim::FitQuality* quality;
};

std::vector<Fit> fits_of(const sim::Calibration& calibration) {
    static const char* const kFamilies[] = {"elementwise", "normalization", "softmax",
                                            "gather",      "optimizer",     "fill"};
    std::vector<Fit> fits;
    for (const auto& [precision, model] : calibration.gemm) {
        fits.push_back({fmt::format("GEMM {}", to_string(precision)), &model.quality});
    }
    for (const auto& [precision, model] : calibration.grouped_gemm)
        fits.push_back({fmt::format("grouped GEMM {}", to_string(precision)), &model.quality});
    for (const sim::AttentionModel& model : calibration.attention) {
        if (model.backward) continue;  // fitted together with forward
        fits.push_back(
            {fmt::format("attention {} d={}", sim::to_string(model.implementation), model.head_dim),
             &model.quality});
    }
    for (std::size_t i = 0; i < sim::kMemoryFamilies; ++i) {
        fits.push_back({kFamilies[i], &calibration.memory[i].quality});
    }
    return fits;
}

void print_table(const sim::Calibration& calibration) {
    fmt::print("{:<26}{:>8}{:>9}{:>9}{:>20}\n", "fit", "samples", "median", "p90", "held out (p90)");
    for (const auto& [what, quality] : fits_of(calibration)) {
        if (quality->samples == 0) continue;
        std::string held_out;
        if (quality->held_out_median > 0) {
            held_out = fmt::format("{:.1f} % ({:.1f} %)", 100 * quality->held_out_median,
                                   100 * quality->held_out_p90);
        }
        fmt::print("{:<26}{:>8}{:>7.1f} %{:>7.1f} %{:>20}\n", what, quality->samples,
                   100 * quality->median_error, 100 * quality->p90_error, held_out);
    }
}

void print_object(const Options& options, const sim::Calibration& calibration) {
    nlohmann::ordered_json object;
    object["gpu"] = calibration.gpu;
    object["out"] = options.out;
    for (const auto& [what, quality] : fits_of(calibration)) {
        if (quality->samples == 0) continue;
        object["fits"].push_back({{"what", what},
                                  {"samples", quality->samples},
                                  {"median_error", quality->median_error},
                                  {"p90_error", quality->p90_error},
                                  {"worst_error", quality->worst_error},
                                  {"worst_sample", quality->worst_sample},
                                  {"held_out_median", quality->held_out_median},
                                  {"held_out_p90", quality->held_out_p90}});
    }
    print_json(object);
}

/// The profiler's records, or nothing where the files are tables. Throws InputError for a mixture.
std::vector<profiler::Record> records_of(const std::vector<std::string>& paths) {
    std::vector<profiler::Record> all;
    bool tables = false;
    for (const std::string& path : paths) {
        if (!profiler::holds_records(path)) {
            tables = true;
            continue;
        }
        const std::vector<profiler::Record> some = profiler::read_records(path);
        all.insert(all.end(), some.begin(), some.end());
    }
    if (tables && !all.empty()) {
        throw InputError({}, "calibrate",
                         "expected either tables (CSV) or samples of orrery profile, not both");
    }
    return all;
}

/// What the samples lack comes from --base, or from the GPU's committed calibration where there is one.
std::optional<sim::Calibration> base_of(const Options& options) {
    if (!options.base.empty()) return sim::load_calibration(options.base);
    const std::vector<std::string> names = sim::calibration_names();
    if (std::find(names.begin(), names.end(), options.gpu) == names.end()) return std::nullopt;
    return sim::load_calibration(options.gpu);
}

sim::Calibration fitted(const Options& options) {
    const std::vector<profiler::Record> records = records_of(options.samples);
    if (records.empty()) return profiler::calibrate(options.gpu, profiler::read_tables(options.samples));
    return profiler::calibrate_profile(records, topologies::load_gpu(options.gpu), base_of(options));
}

void print_differences(const Options& options,
                       const std::vector<profiler::CalibrationDifference>& differences) {
    const auto cell = [](double value) {
        return value > 0 ? fmt::format("{:.4g}", value) : std::string("-");
    };
    fmt::print("a: {}\nb: {}\n\n", options.diff[0], options.diff[1]);
    fmt::print("{:<38}{:>8}{:>10}{:>10}{:>9}\n", "", "unit", "a", "b", "b / a");
    for (const profiler::CalibrationDifference& each : differences) {
        const bool both = each.a > 0 && each.b > 0;
        fmt::print("{:<38}{:>8}{:>10}{:>10}{:>9}\n", each.what, each.unit, cell(each.a), cell(each.b),
                   both ? fmt::format("{:+.1f}%", 100 * each.change()) : "-");
    }
}

int show_differences(const Options& options) {
    const auto differences = profiler::compare_calibrations(sim::load_calibration(options.diff[0]),
                                                            sim::load_calibration(options.diff[1]));
    if (!options.json) {
        print_differences(options, differences);
        return kDone;
    }
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const profiler::CalibrationDifference& each : differences) {
        rows.push_back({{"what", each.what},
                        {"unit", each.unit},
                        {"a", each.a},
                        {"b", each.b},
                        {"change", each.change()}});
    }
    print_json({{"a", options.diff[0]}, {"b", options.diff[1]}, {"rows", rows}});
    return kDone;
}

std::string time_text(double seconds) {
    return seconds > 0 ? report::duration(seconds) : "-";
}

/// What the recording alone tells.
void print_run(const profiler::MeasuredRun& run, const profiler::RunSummary& summary) {
    fmt::print("{} ({}{}{})\n\n", run.source, run.format, run.device.empty() ? "" : ", ", run.device);
    fmt::print("  {:<44}{:>12}\n", "step time, from " + run.step_time_from, time_text(run.step_time_s));
    fmt::print("  {:<44}{:>12}\n", "kernels and copies running", time_text(summary.compute_s));
    fmt::print("  {:<44}{:>12}\n", "communication beside them", time_text(summary.overlapped_comm_s));
    fmt::print("  {:<44}{:>12}\n", "communication alone", time_text(summary.exposed_comm_s));
    fmt::print("  {:<44}{:>12}\n", "gaps: nothing on the device", time_text(summary.gap_s));
    if (summary.slowdown.kernels > 0) {
        fmt::print("  kernels beside communication take {:.3f} times as long ({} runs of {} kernels)\n",
                   summary.slowdown.ratio, summary.slowdown.runs, summary.slowdown.kernels);
    }
    fmt::print("\n  {:<20}{:>8}{:>12}\n", "family", "tasks", "time");
    for (std::size_t i = 0; i < profiler::kRunFamilies; ++i) {
        const profiler::FamilyTime& family = summary.families.at(i);
        if (family.tasks == 0) continue;
        fmt::print("  {:<20}{:>8}{:>12}\n", profiler::to_string(static_cast<profiler::RunFamily>(i)),
                   family.tasks, time_text(family.sum_s));
    }
}

void print_comparison(const study::RunComparison& comparison) {
    fmt::print("\n  {:<20}{:>10}{:>12}{:>12}{:>12}{:>10}\n", "per step", "measured", "", "predicted", "", "");
    fmt::print("  {:<20}{:>10}{:>12}{:>12}{:>12}{:>10}\n", "", "tasks", "time", "tasks", "time", "");
    for (const study::FamilyComparison& each : comparison.families) {
        fmt::print("  {:<20}{:>10.0f}{:>12}{:>12.0f}{:>12}{:>10}\n", profiler::to_string(each.family),
                   each.measured_tasks, time_text(each.measured_s), each.predicted_tasks,
                   time_text(each.predicted_s),
                   each.measured_s > 0 && each.predicted_s > 0
                       ? fmt::format("{:+.1f}%", 100 * (each.predicted_s / each.measured_s - 1))
                       : "-");
    }
    fmt::print("  {:<20}{:>22}{:>24}\n", "gaps", time_text(comparison.measured_gap_s),
               time_text(comparison.predicted_gap_s));
    fmt::print("  {:<20}{:>22}{:>24}{:>10}\n", "step", time_text(comparison.measured_step_s),
               time_text(comparison.predicted_step_s),
               fmt::format("{:+.1f}%", 100 * (comparison.predicted_step_s / comparison.measured_step_s - 1)));
}

nlohmann::ordered_json object_of(const profiler::MeasuredRun& run, const profiler::RunSummary& summary) {
    nlohmann::ordered_json families;
    for (std::size_t i = 0; i < profiler::kRunFamilies; ++i) {
        const profiler::FamilyTime& family = summary.families.at(i);
        if (family.tasks == 0) continue;
        families[std::string(profiler::to_string(static_cast<profiler::RunFamily>(i)))] = {
            {"tasks", family.tasks}, {"sum_s", family.sum_s}};
    }
    return {{"source", run.source},
            {"format", run.format},
            {"device", run.device},
            {"step_time_s", run.step_time_s},
            {"steps", run.steps},
            {"compute_s", summary.compute_s},
            {"overlapped_comm_s", summary.overlapped_comm_s},
            {"exposed_comm_s", summary.exposed_comm_s},
            {"gap_s", summary.gap_s},
            {"compute_slowdown", summary.slowdown.ratio},
            {"compute_slowdown_kernels", summary.slowdown.kernels},
            {"families", families}};
}

/// The recording: a trace, or a step time alone.
profiler::MeasuredRun recorded(const Options& options) {
    if (!options.runs.empty()) {
        profiler::MeasuredRun run = profiler::read_run(options.runs);
        if (options.step_time_s > 0) {
            run.step_time_s = options.step_time_s;
            run.step_time_from = "--step-time";
        }
        return run;
    }
    profiler::MeasuredRun run;
    run.source = options.experiment;
    run.format = "step time";
    run.step_time_s = options.step_time_s;
    run.step_time_from = "--step-time";
    return run;
}

/// The experiment that the recording is of, beside it; with --out the calibration fitted to it.
void fit_to_run(const Options& options, const profiler::MeasuredRun& run, nlohmann::ordered_json& object) {
    study::Experiment experiment = study::load_experiment(options.experiment);
    experiment.fold = false;  // the recording is of one rank
    if (!options.base.empty()) experiment.calibration = options.base;
    const sim::Calibration calibration = sim::load_calibration(experiment.calibration);
    const study::Simulation simulation = study::simulate(experiment);
    const study::RunComparison comparison = study::compare_run(experiment, simulation, calibration, run);
    const study::HostFit fit = study::fit_host(experiment, simulation, calibration, run.step_time_s);
    object["predicted_step_time_s"] = comparison.predicted_step_s;
    object["predicted_gap_s"] = comparison.predicted_gap_s;
    object["host_scale"] = fit.scale;
    object["host_scale_meets_step"] = fit.met;
    if (!options.json) {
        print_comparison(comparison);
        if (fit.met) {
            fmt::print("\n  host operators {:.2f} times as long as calibrated meet the measured step\n",
                       fit.scale);
        } else {
            fmt::print(
                "\n  no host time explains the step: with {:.0f} times the calibrated one it takes {}\n",
                fit.scale, time_text(fit.predicted_s));
        }
    }
    if (options.out.empty()) return;
    if (!fit.met) throw ExperimentError("nothing written: the difference does not lie in the host's time");
    write_file_atomically(
        options.out, sim::to_yaml(study::with_host_fit(calibration, fit, {run.source, experiment.name})));
    if (!options.json)
        fmt::print("\nCalibration: {} (fitted to this run: not to be validated with it)\n", options.out);
}

int show_run(const Options& options) {
    if (options.runs.empty() && options.experiment.empty()) {
        throw InputError({}, "--step-time", "needs --experiment, the run that took so long");
    }
    const profiler::MeasuredRun run = recorded(options);
    const profiler::RunSummary summary = profiler::summarize_run(run);
    nlohmann::ordered_json object = object_of(run, summary);
    if (!options.json && !run.tasks.empty()) print_run(run, summary);
    if (!options.experiment.empty()) fit_to_run(options, run, object);
    if (options.json) print_json(object);
    return kDone;
}

int from_logs(const Options& options) {
    if (options.samples.empty()) throw InputError({}, "samples", "required: the output of nccl-tests");
    if (!options.gpu.empty())
        throw InputError({}, "--gpu", "is of kernels' samples; collectives are calibrated with --node alone");
    profiler::CollectiveLogs logs;
    logs.paths.assign(options.samples.begin(), options.samples.end());
    if (!options.collective.empty()) logs.kind = sim::parse_collective_kind(options.collective);
    logs.node = options.node;
    logs.base = options.base;
    logs.notes = options.notes;
    return calibrate_collectives(std::move(logs), options.out, options.json);
}

int calibrate(const Options& options) {
    if (!options.runs.empty() || options.step_time_s > 0) return show_run(options);
    if (!options.diff.empty()) return show_differences(options);
    if (!options.node.empty()) return from_logs(options);
    for (const auto& [value, name] :
         {std::pair{!options.collective.empty(), "--collective"}, {!options.notes.empty(), "--note"}})
        if (value) throw InputError({}, name, "goes with --node NAME and the output of nccl-tests");
    if (!options.samples.empty() && is_nccl_log(options.samples.front()))
        throw InputError({options.samples.front()}, "--node",
                         "required with the output of nccl-tests: the node it ran on, a name of `orrery list "
                         "clusters`");
    for (const auto& [value, name] : {std::pair{options.samples.empty(), "samples"},
                                      {options.gpu.empty(), "--gpu"},
                                      {options.out.empty(), "--out"}}) {
        if (value) throw InputError({}, name, "required, unless --diff A B is given");
    }
    const sim::Calibration calibration = fitted(options);
    write_file_atomically(options.out, sim::to_yaml(calibration));
    if (options.json) {
        print_object(options, calibration);
    } else {
        print_table(calibration);
        fmt::print("\nCalibration: {}\n", options.out);
    }
    return kDone;
}

}  // namespace

Command add_calibrate(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "calibrate", "Fit the calibration of a GPU or of a node's collectives to measurements");
    command
        ->add_option(
            "samples", options->samples,
            "Samples of orrery profile, tables (CSV) as in calibrations/data, or output of nccl-tests")
        ->type_name("FILE");
    command->add_option("--gpu", options->gpu, "The GPU: a name in topologies/zoo/gpus")->type_name("NAME");
    command
        ->add_option("--node", options->node,
                     "The node that nccl-tests ran on, of topologies/zoo: calibrates its collectives")
        ->type_name("NAME");
    command
        ->add_option("--collective", options->collective,
                     "Of what nccl-tests' tables are, where they do not say it (all-gather, all-to-all)")
        ->type_name("KIND");
    command->add_option("--note", options->notes, "A sentence for the provenance: date, machine, versions")
        ->type_name("TEXT")
        ->expected(1);
    command->add_option("--out", options->out, "The calibration to write, YAML")->type_name("FILE");
    command
        ->add_option(
            "--base", options->base,
            "Calibration that fills in what the samples lack (default: the GPU's own, if there is one)")
        ->type_name("NAME");
    command->add_option("--diff", options->diff, "Compare two calibrations by what they predict")
        ->type_name("NAME")
        ->expected(2);
    command
        ->add_option("--runs", options->runs,
                     "A recorded step: PyTorch profiler trace, Nsight Systems SQLite export, or Chakra JSON")
        ->type_name("FILE");
    command
        ->add_option("--experiment", options->experiment, "The experiment that --runs or --step-time is of")
        ->type_name("CONFIG");
    command
        ->add_option("--step-time", options->step_time_s,
                     "The run's step time, where nothing else is recorded")
        ->type_name("S")
        ->check(CLI::PositiveNumber);
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return calibrate(*options); }};
}

}  // namespace orrery::cli
