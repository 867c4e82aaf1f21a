// orrery calibrate SAMPLES... --gpu NAME --out FILE: samples in, calibration out.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "profiler/calibrate.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::vector<std::string> samples;
    std::string gpu;
    std::string out;
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
        fits.push_back({precision == Precision::fp8 ? "GEMM fp8" : "GEMM bf16", &model.quality});
    }
    for (const auto& [precision, model] : calibration.grouped_gemm)
        fits.push_back({"grouped GEMM", &model.quality});
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

int calibrate(const Options& options) {
    const profiler::Tables tables = profiler::read_tables(options.samples);
    const sim::Calibration calibration = profiler::calibrate(options.gpu, tables);
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
    CLI::App* command =
        app.add_subcommand("calibrate", "Fit a GPU's calibration to measured or published samples");
    command->add_option("samples", options->samples, "Tables of samples, CSV, as in calibrations/data")
        ->required()
        ->type_name("FILE");
    command->add_option("--gpu", options->gpu, "The GPU: a row of gpus.csv")->required()->type_name("NAME");
    command->add_option("--out", options->out, "The calibration to write, YAML")
        ->required()
        ->type_name("FILE");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return calibrate(*options); }};
}

}  // namespace orrery::cli
