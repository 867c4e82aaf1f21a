// orrery calibrate LOG... --node NAME [--out FILE]: nccl-tests' output in, a collective calibration out.
#include "cli/calibrate_collectives.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"

namespace orrery::cli {
namespace {

/// A row for each collective, number of nodes and decade of bytes: errors on what was fitted, and on what was
/// not seen.
void print_errors(std::FILE* to, const profiler::CollectivesFit& fit) {
    fmt::print(to, "{:<38}{:>8}{:>9}{:>9}{:>10}{:>9}\n", "", "samples", "median", "p90", "held out", "p90");
    for (const sim::CalibrationResidual& row : fit.calibration.residuals) {
        if (row.held_out) continue;
        fmt::print(to, "{:<38}{:>8}{:>7.1f} %{:>7.1f} %", row.what, row.samples, 100 * row.median_error,
                   100 * row.p90_error);
        for (const sim::CalibrationResidual& unseen : fit.calibration.residuals)
            if (unseen.held_out && unseen.what == row.what)
                fmt::print(to, "{:>8.1f} %{:>7.1f} %", 100 * unseen.median_error, 100 * unseen.p90_error);
        fmt::print(to, "\n");
    }
}

void print_object(const profiler::CollectiveLogs& logs, const profiler::CollectivesFit& fit,
                  const std::string& out) {
    nlohmann::ordered_json object;
    object["node"] = logs.node;
    object["name"] = fit.calibration.name;
    object["out"] = out;
    object["samples"] = fit.samples;
    object["fitted_least_bytes"] = fit.calibration.fitted_least_bytes;
    object["fitted_most_bytes"] = fit.calibration.fitted_most_bytes;
    object["provenance"] = fit.calibration.provenance;
    object["warnings"] = fit.warnings;
    for (const sim::CalibrationResidual& row : fit.calibration.residuals)
        object["fits"].push_back({{"what", row.what},
                                  {"samples", row.samples},
                                  {"median_error", row.median_error},
                                  {"p90_error", row.p90_error},
                                  {"held_out", row.held_out}});
    print_json(object);
}

}  // namespace

bool is_nccl_log(const std::string& path) {
    constexpr std::size_t kMostBytes = std::size_t{256} << 20;
    return profiler::is_nccl_tests(read_file(path, kMostBytes));
}

int calibrate_collectives(profiler::CollectiveLogs logs, const std::string& out, bool json) {
    logs.name = out.empty() ? logs.node + "-measured" : std::filesystem::path(out).stem().string();
    const profiler::CollectivesFit fit = profiler::calibrate_collectives(logs);
    for (const std::string& warning : fit.warnings) fmt::print(stderr, "orrery: {}\n", warning);
    if (!out.empty()) sim::save_collectives(fit.calibration, out);
    if (json) {
        print_object(logs, fit, out);
    } else if (out.empty()) {
        print_errors(stderr, fit);
        fmt::print("{}", sim::to_yaml(fit.calibration));
    } else {
        print_errors(stdout, fit);
        fmt::print("\nCalibration: {} (cluster: {{node: {}, collectives: {}}})\n", out, logs.node, out);
    }
    return kDone;
}

}  // namespace orrery::cli
