// Dense and grouped products: each GPU from its own samples or its sister's.
#include "profiler/calibrate_parts.hpp"

#include <cmath>

#include "profiler/fit_gemm.hpp"
#include "profiler/fit_quality.hpp"

namespace orrery::profiler {
namespace {

constexpr int kFolds = 5;

std::array<double, 3> alignment(const Tables& tables) {
    const Table& table = table_named(tables, "alignment");
    std::array<double, 3> out{1, 1, 1};
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const double to = table.number(row, "aligned_to");
        out.at(to >= 4 ? 0 : to >= 2 ? 1 : 2) = table.number(row, "time_factor");
    }
    return out;
}

std::vector<Sample> joined(std::vector<Sample> a, const std::vector<Sample>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return merge_repeats(a);
}

/// Rows of matmul_peak.csv as samples; their layout is torch.mm's.
std::vector<Sample> peak_samples(const Tables& tables, const std::string& gpu, const std::string& precision) {
    const Table& table = table_named(tables, "matmul_peak");
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu || table.text(row, "precision") != precision) continue;
        Sample sample;
        Kernel& kernel = sample.kernel;
        kernel.kind = KernelKind::gemm;
        kernel.precision = precision_of(table, row, "precision");
        kernel.layout = precision == "fp8" ? GemmLayout::tn : GemmLayout::nn;
        kernel.m = static_cast<std::int64_t>(table.number(row, "m"));
        kernel.n = static_cast<std::int64_t>(table.number(row, "n"));
        kernel.k = static_cast<std::int64_t>(table.number(row, "k"));
        kernel.flops = 2 * table.number(row, "m") * table.number(row, "n") * table.number(row, "k");
        sample.time_s = kernel.flops / (table.number(row, "achieved_tflops") * 1e12);
        out.push_back(sample);
    }
    return out;
}

/// A rate found by searching thousands of shapes is the luckiest of them; a model of typical products lies
/// below. `gain` (model over measured time of such a find where both are known) turns it into a typical one.
std::vector<Sample> typical_of_peaks(std::vector<Sample> samples, double gain) {
    for (Sample& sample : samples) sample.time_s *= gain;
    return samples;
}

double search_gain(const std::vector<Sample>& peaks, const sim::GemmModel& model,
                   const sim::GemmDevice& device) {
    double sum = 0;
    for (const Sample& sample : peaks) {
        sum += std::log(sim::gemm_time(sample.kernel, model, device) / sample.time_s);
    }
    return peaks.empty() ? 1 : std::exp(sum / static_cast<double>(peaks.size()));
}

sim::GemmModel a100_pcie_gemm(const Tables& tables) {
    const Device device = device_named(tables, "a100-pcie-80g");
    const std::vector<Sample> samples = joined(gemm_samples(table_named(tables, "gemm"), "a100-pcie"),
                                               gemm_samples(table_named(tables, "gemm_more"), "a100-pcie"));
    sim::GemmModel model = fit_gemm(samples, gemm_prior(), device.at(Precision::bf16));
    cross_validate_gemm(samples, gemm_prior(), device.at(Precision::bf16), kFolds, model.quality);
    model.unaligned = alignment(tables);
    model.provenance = {"published", std::string("fit to gemm.csv (") + kSimuMax +
                                         "/a100_pcie.json) and gemm_more.csv (" + kVidur +
                                         "/a100, 80 GB PCIe). aligned_*: alignment.csv"};
    return model;
}

/// The A100's tiles are the PCIe card's; what differs is the power limit, so the level is refitted: tiles
/// from products whose values leave the power limit out of play, the limit from products of normal random
/// values.
sim::GemmModel a100_sxm_gemm(const Tables& tables, const Device& device) {
    const sim::GemmDevice gpu = device.at(Precision::bf16);
    sim::GemmModel shape = a100_pcie_gemm(tables);
    shape.sustained = 1.5;
    const sim::GemmModel unlimited =
        fit_gemm_level(merge_repeats(gemm_samples(table_named(tables, "gemm_more"), "a100-sxm-unlimited")),
                       shape, gpu, LevelOf::tiles);
    sim::GemmModel model = unlimited;
    model.sustained = 0.9;
    std::vector<Sample> limited = gemm_samples(table_named(tables, "gemm_more"), "a100-sxm");
    const Device pcie = device_named(tables, "a100-pcie-80g");
    const double gain = search_gain(peak_samples(tables, "a100-pcie", "bf16"), a100_pcie_gemm(tables),
                                    pcie.at(Precision::bf16));
    for (const Sample& sample : typical_of_peaks(peak_samples(tables, "a100-sxm", "bf16"), gain)) {
        limited.push_back(sample);
    }
    model = fit_gemm_level(limited, model, gpu, LevelOf::power);
    model.quality.held_out_median = unlimited.quality.median_error;
    model.quality.held_out_p90 = unlimited.quality.p90_error;
    model.provenance = {
        "derived",
        "tiles, prologue, output and layout terms from the A100 PCIe's fit (same chip); the tiles' common "
        "level from PrincetonUniversity/LLMCompass@b95c6c9 matmul_A100.csv (A100 SXM4; held_out_* are the "
        "errors of that shape transfer); power limit from Horace He 2024 (257.5 TFLOP/s at 8192^3 on normal "
        "random values) and " +
            std::string(kPeaks) + ", made typical by the PCIe card's ratio of fit to best"};
    return model;
}

sim::GemmModel h100_gemm(const Tables& tables, const Device& device) {
    const sim::GemmModel prior = a100_pcie_gemm(tables);
    const std::vector<Sample> samples =
        merge_repeats(gemm_samples(table_named(tables, "gemm_more"), "h100-sxm"));
    const sim::GemmDevice gpu = device.at(Precision::bf16);
    sim::GemmModel model = fit_gemm(samples, prior, gpu);
    cross_validate_gemm(samples, prior, gpu, kFolds, model.quality);
    model.layout = prior.layout;  // all samples are forward products
    model.unaligned = alignment(tables);
    model.provenance = {"published",
                        std::string("fit to gemm_more.csv (") + kVidur +
                            "/h100: Llama 2 70B under tp 1 to 8 and phi-2, kernel times inside a layer). All "
                            "tn: layout terms are the A100 PCIe's fit"};
    return model;
}

sim::GemmModel b200_gemm(const Tables& tables, const Device& device) {
    sim::GemmModel prior = gemm_prior();
    prior.tiles.insert(prior.tiles.begin(), {256, 256, 0.9});
    prior.sustained = 0.5;
    const std::vector<Sample> samples = merge_repeats(gemm_samples(table_named(tables, "gemm"), "b200"));
    const sim::GemmDevice gpu = device.at(Precision::bf16);
    sim::GemmModel model = fit_gemm(samples, prior, gpu);
    cross_validate_gemm(samples, prior, gpu, kFolds, model.quality);
    model.unaligned = alignment(tables);
    model.provenance = {"published", std::string("fit to gemm.csv (") + kSimuMax + "/b200_bf16_ceperm.json)"};
    return model;
}

/// How the sustained rate follows the power limit: the exponent between the A100's cards of 300 and 400 W,
/// near the third that voltage and frequency scaling suggests.
double power_exponent(const Tables& tables) {
    const double pcie = a100_pcie_gemm(tables).sustained;
    const double sxm = a100_sxm_gemm(tables, device_named(tables, "a100-sxm-80g")).sustained;
    return std::log(sxm / pcie) / std::log(400.0 / 300.0);
}

/// fp8 products: the 16-bit model's structure, its level from the best rate found for fp8.
sim::GemmModel fp8_gemm(const Tables& tables, const Device& device, const std::string& peak_name,
                        const std::string& peak_name_16, const sim::GemmModel& shape) {
    const double gain =
        search_gain(peak_samples(tables, peak_name_16, "bf16"), shape, device.at(Precision::bf16));
    sim::GemmModel model = fit_gemm_level(typical_of_peaks(peak_samples(tables, peak_name, "fp8"), gain),
                                          shape, device.at(Precision::fp8));
    model.provenance = {"derived", std::string("shape dependence of the 16-bit fit, level from ") + kPeaks +
                                       ", fp8, made typical by the ratio of fit to best in bf16"};
    return model;
}

}  // namespace

sim::GemmModel calibrate_gemm(const std::string& gpu, const Tables& tables) {
    const Device device = device_named(tables, gpu);
    if (gpu == "a100-pcie-80g") return a100_pcie_gemm(tables);
    if (is_a100_sxm(gpu)) return a100_sxm_gemm(tables, device);
    if (gpu == "b200") return b200_gemm(tables, device);
    sim::GemmModel model = h100_gemm(tables, device_named(tables, "h100-sxm-80g"));
    if (gpu == "h200")
        model.provenance = {"derived", "the H100's (same chip and power): " + model.provenance.source};
    if (gpu == "h100-hbm2e-96g-500w") {
        model.sustained *= std::pow(500.0 / 700.0, power_exponent(tables));
        model.provenance = {
            "derived",
            "the H100's at 700 W, its sustained rate lowered to 500 W with the exponent found between the "
            "A100's cards of 300 and 400 W: " +
                model.provenance.source};
    }
    return model;
}

sim::GemmModel calibrate_fp8_gemm(const std::string& gpu, const Tables& tables, const sim::GemmModel& shape) {
    const Device device = device_named(tables, gpu);
    if (gpu == "b200") return fp8_gemm(tables, device, "b200", "b200", shape);
    return fp8_gemm(tables, device, gpu == "h200" ? "h200" : "h100-sxm", "h100-sxm", shape);
}

sim::GroupedGemmModel calibrate_grouped_gemm(const std::string& gpu, const Tables& tables) {
    const bool blackwell = gpu == "b200";
    const std::string sampled = blackwell ? "b200" : "a100-pcie-80g";
    const Device device = device_named(tables, sampled);
    const std::vector<Sample> samples = merge_repeats(
        grouped_gemm_samples(table_named(tables, "grouped_gemm"), blackwell ? "b200" : "a100-pcie"));
    sim::GroupedGemmModel model =
        fit_grouped_gemm(samples, calibrate_gemm(sampled, tables), device.at(Precision::bf16));
    const std::string fit = "fit to grouped_gemm.csv (" + std::string(kSimuMax) + "), " + sampled;
    model.provenance =
        gpu == sampled
            ? sim::Provenance{"published", fit}
            : sim::Provenance{"derived", "slowdown against a dense product of the " + sampled + ": " + fit};
    return model;
}

}  // namespace orrery::profiler
