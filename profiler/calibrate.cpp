#include "profiler/calibrate.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "profiler/calibrate_parts.hpp"
#include "profiler/fit_unfused.hpp"

namespace orrery::profiler {

const Table& table_named(const Tables& tables, const std::string& name) {
    const auto found = tables.find(name);
    if (found != tables.end()) return found->second;
    throw InputError({}, "calibrate", "needs the table " + name + ".csv among its samples");
}

Device device_named(const Tables& tables, const std::string& name) {
    const Table& table = table_named(tables, "gpus");
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != name) continue;
        Device device;
        device.name = name;
        device.memory_bandwidth = table.number(row, "memory_bandwidth");
        device.multiprocessors = static_cast<int>(table.number(row, "multiprocessors"));
        for (const auto& [column, precision] : {std::pair{"bf16", Precision::bf16},
                                                {"fp8", Precision::fp8},
                                                {"tf32", Precision::tf32},
                                                {"fp32", Precision::fp32}}) {
            if (!table.text(row, column).empty()) device.peak[precision] = table.number(row, column);
        }
        return device;
    }
    throw InputError({table.file, 0, 0}, "gpu", unknown_name("GPU", name, calibrated_gpus(tables)));
}

bool is_hopper(const std::string& gpu) {
    return gpu == "h100-sxm-80g" || gpu == "h100-hbm2e-96g-500w" || gpu == "h200";
}

bool is_a100_sxm(const std::string& gpu) {
    return gpu == "a100-sxm-80g" || gpu == "a100-sxm-40g";
}

sim::HostModel calibrate_host(const Tables& tables) {
    const Table& table = table_named(tables, "host");
    const auto read = [&table](const std::string& name) {
        for (std::size_t row = 0; row < table.rows.size(); ++row) {
            if (table.text(row, "name") != name) continue;
            return sim::HostTime{table.number(row, "seconds"),
                                 table.number(row, "low"),
                                 table.number(row, "high"),
                                 {table.text(row, "kind"), table.text(row, "source")}};
        }
        throw InputError({table.file, 0, 0}, name, "expected a row of this name");
    };
    return {read("forward_operator"), read("backward_operator"), read("optimizer_operator"),
            read("collective"),       read("point_to_point"),    read("graph_launch"),
            read("kernel_launch")};
}

namespace {

/// Bandwidth of memory-bound products, from unfused attention: the A100's, or the H100's for Hopper.
/// Blackwell keeps its own fit, whose samples hold small products.
void set_gemm_bandwidth(sim::Calibration& out, const std::string& gpu, const Tables& tables) {
    if (gpu == "b200") return;
    const std::string sampled = is_hopper(gpu) ? "h100-sxm-80g" : "a100-sxm-80g";
    const Device device = device_named(tables, sampled);
    const auto memory = calibrate_memory(sampled, tables);
    sim::FitQuality sum;
    const sim::GemmModel fitted = fit_gemm_bandwidth(
        unfused_rows(attention_speed_samples(table_named(tables, "attention_speed"), sampled)),
        calibrate_gemm(sampled, tables), memory[static_cast<std::size_t>(MemoryFamily::softmax)],
        memory[static_cast<std::size_t>(MemoryFamily::elementwise)], device.at(Precision::bf16), sum);
    char words[160];
    std::snprintf(
        words, sizeof words,
        ". bandwidth: unfused attention on %s (attention_speed.csv), %d rows, median error %.1f %%, p90 "
        "%.1f %%",
        sampled.c_str(), sum.samples, 100 * sum.median_error, 100 * sum.p90_error);
    for (auto& [precision, model] : out.gemm) {
        model.bandwidth = fitted.bandwidth;
        model.provenance.source += words;
    }
}

std::string summary_of(const std::string& gpu) {
    return "Kernel and host times of the " + gpu +
           ", fitted by orrery calibrate from the published microbenchmarks in calibrations/data. No number "
           "comes from a "
           "training run. Efficiencies are fractions of the data sheet's peaks.";
}

}  // namespace

Tables read_tables(const std::vector<std::string>& paths) {
    Tables tables;
    for (const std::string& path : paths) {
        const std::string name = std::filesystem::path(path).stem().string();
        if (!tables.emplace(name, read_csv(path)).second)
            throw InputError({path, 0, 0}, "", "a table of this name was given before");
    }
    return tables;
}

std::vector<std::string> calibrated_gpus(const Tables& tables) {
    const Table& table = table_named(tables, "gpus");
    std::vector<std::string> names;
    for (std::size_t row = 0; row < table.rows.size(); ++row) names.push_back(table.text(row, "gpu"));
    return names;
}

sim::Calibration calibrate(const std::string& gpu, const Tables& tables) {
    sim::Calibration out;
    out.gpu = gpu;
    out.summary = summary_of(gpu);
    out.gemm[Precision::bf16] = calibrate_gemm(gpu, tables);
    if (is_hopper(gpu) || gpu == "b200") {
        out.gemm[Precision::fp8] = calibrate_fp8_gemm(gpu, tables, out.gemm[Precision::bf16]);
    }
    set_gemm_bandwidth(out, gpu, tables);
    out.grouped_gemm[Precision::bf16] = calibrate_grouped_gemm(gpu, tables);
    out.attention = calibrate_attention(gpu, tables);
    out.memory = calibrate_memory(gpu, tables);
    out.host = calibrate_host(tables);
    return sim::parse_calibration(sim::to_yaml(out), gpu);  // the digits that the file holds, and its checks
}

}  // namespace orrery::profiler
