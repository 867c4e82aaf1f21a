#include "profiler/calibrate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "profiler/fit_attention.hpp"
#include "profiler/fit_gemm.hpp"
#include "profiler/fit_memory.hpp"
#include "profiler/fit_quality.hpp"
#include "profiler/fit_unfused.hpp"

namespace orrery::profiler {
namespace {

constexpr int kFolds = 5;

/// A GPU as gpus.csv describes it, and the names under which other tables know it and its relatives.
struct Device {
    std::string name;
    double memory_bandwidth = 0;
    int multiprocessors = 0;
    std::map<Precision, double> peak;

    [[nodiscard]] sim::GemmDevice at(Precision precision) const {
        return {peak.at(precision), memory_bandwidth, multiprocessors};
    }
};

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

constexpr const char* kSimuMax = "MooreThreads/SimuMax@4dcaae5 configs/system";
constexpr const char* kVidur = "microsoft/vidur@683364e, 25e529d data/profiling/compute";
constexpr const char* kPeaks = "stas00/ml-engineering@744d01e compute/accelerator (best shape by search)";

// ---- GEMM ----

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

bool is_a100_sxm(const std::string& gpu) {
    return gpu == "a100-sxm-80g" || gpu == "a100-sxm-40g";
}
bool is_hopper(const std::string& gpu) {
    return gpu == "h100-sxm-80g" || gpu == "h100-hbm2e-96g-500w" || gpu == "h200";
}

/// How the sustained rate follows the power limit: the exponent between the A100's cards of 300 and 400 W,
/// near the third that voltage and frequency scaling suggests.
double power_exponent(const Tables& tables) {
    const double pcie = a100_pcie_gemm(tables).sustained;
    const double sxm = a100_sxm_gemm(tables, device_named(tables, "a100-sxm-80g")).sustained;
    return std::log(sxm / pcie) / std::log(400.0 / 300.0);
}

sim::GemmModel gemm_of(const std::string& gpu, const Tables& tables, const Device& device) {
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

// ---- grouped GEMM ----

sim::GroupedGemmModel grouped_of(const std::string& gpu, const Tables& tables) {
    const bool blackwell = gpu == "b200";
    const std::string sampled = blackwell ? "b200" : "a100-pcie-80g";
    const Device device = device_named(tables, sampled);
    const std::vector<Sample> samples = merge_repeats(
        grouped_gemm_samples(table_named(tables, "grouped_gemm"), blackwell ? "b200" : "a100-pcie"));
    sim::GroupedGemmModel model =
        fit_grouped_gemm(samples, gemm_of(sampled, tables, device), device.at(Precision::bf16));
    const std::string fit = "fit to grouped_gemm.csv (" + std::string(kSimuMax) + "), " + sampled;
    model.provenance =
        gpu == sampled
            ? sim::Provenance{"published", fit}
            : sim::Provenance{"derived", "slowdown against a dense product of the " + sampled + ": " + fit};
    return model;
}

// ---- attention ----

void add(std::vector<sim::AttentionModel>& models, AttentionPair pair, const sim::Provenance& provenance) {
    for (sim::AttentionModel* model : {&pair.forward, &pair.backward}) {
        model->provenance = provenance;
        models.push_back(*model);
    }
}

constexpr const char* kFlash = "Dao-AILab/flash-attention@0251105 assets (attention_speed.csv)";

/// The tail of a last wave, which the published sweeps, all with many heads, do not show.
double flash2_tail(const Tables& tables) {
    const Device device = device_named(tables, "a100-pcie-80g");
    const auto samples =
        attention_samples(table_named(tables, "attention"), "a100-pcie", AttentionImplementation::flash2);
    return fit_attention(samples, AttentionImplementation::flash2, 128, {}, device.at(Precision::bf16))
        .forward.tail;
}

std::vector<sim::AttentionModel> a100_attention(const Tables& tables, const Device& device) {
    using enum AttentionImplementation;
    std::vector<sim::AttentionModel> models;
    const Device sampled = device_named(tables, "a100-sxm-80g");
    const auto samples = attention_speed_samples(table_named(tables, "attention_speed"), "a100-sxm-80g");
    AttentionPrior prior;
    prior.tail = flash2_tail(tables);
    prior.tail_spread = 0.02;
    const std::string split =
        "; split of forward and backward as in FlashAttention-2 (Dao 2023: 73 to 63% of peak); "
        "tail from attention.csv (A100 PCIe, 4 to 64 heads)";
    const bool own = device.name == sampled.name;
    for (const auto implementation : {flash1, flash2}) {
        for (const int head_dim : {64, 128}) {
            add(models, fit_attention(samples, implementation, head_dim, prior, sampled.at(Precision::bf16)),
                own ? sim::Provenance{"published", kFlash + split}
                    : sim::Provenance{"derived", "the A100 SXM 80 GB's (same chip): " + (kFlash + split)});
        }
    }
    return models;
}

/// FlashAttention-3 and cuDNN are published forward only. Backward: 1.5 to 1.75 times FlashAttention-2's
/// (Shah et al. 2024, section 1), the middle.
void add_hopper_forward_only(std::vector<sim::AttentionModel>& models, const std::vector<Sample>& samples,
                             AttentionImplementation implementation, const AttentionPrior& prior,
                             const Device& device) {
    constexpr double kBackwardGain = 1.625;
    for (const int head_dim : {64, 128, 256}) {
        AttentionPair pair =
            fit_attention(samples, implementation, head_dim, prior, device.at(Precision::bf16));
        for (const sim::AttentionModel& flash2 : models) {
            if (flash2.implementation != AttentionImplementation::flash2 || !flash2.backward) continue;
            if (flash2.head_dim != std::min(head_dim, 128)) continue;
            pair.backward.efficiency = std::min(flash2.efficiency * kBackwardGain, pair.forward.efficiency);
        }
        add(models, pair,
            {"published", std::string(kFlash) +
                              "; backward 1.625 times FlashAttention-2's (Shah et al. 2024, "
                              "FlashAttention-3, abstract: 1.5 to 1.75)"});
    }
}

std::vector<sim::AttentionModel> hopper_attention(const Tables& tables) {
    using enum AttentionImplementation;
    std::vector<sim::AttentionModel> models;
    const Device device = device_named(tables, "h100-sxm-80g");
    const auto samples = attention_speed_samples(table_named(tables, "attention_speed"), "h100-sxm-80g");
    AttentionPrior prior;
    prior.tail = flash2_tail(tables);
    prior.tail_spread = 0.02;
    prior.efficiency = 0.35;
    for (const auto implementation : {flash1, flash2}) {
        for (const int head_dim : {64, 128}) {
            add(models, fit_attention(samples, implementation, head_dim, prior, device.at(Precision::bf16)),
                {"published", std::string(kFlash) + "; tail from the A100"});
        }
    }
    add(models, fit_attention(samples, flash2, 256, prior, device.at(Precision::bf16)),
        {"published", std::string(kFlash) + "; forward only, backward split as in FlashAttention-2"});
    prior.efficiency = 0.6;
    add_hopper_forward_only(models, samples, flash3, prior, device);
    add_hopper_forward_only(models, samples, cudnn, prior, device);
    return models;
}

std::vector<sim::AttentionModel> blackwell_attention(const Tables& tables, const Device& device) {
    std::vector<sim::AttentionModel> models;
    const auto samples =
        attention_samples(table_named(tables, "attention"), "b200", AttentionImplementation::cudnn);
    AttentionPrior prior;
    prior.forward_over_backward = 1.2;
    prior.forward_rows = 256;  // two tiles of 128 queries a block on Blackwell
    add(models,
        fit_attention(samples, AttentionImplementation::cudnn, 128, prior, device.at(Precision::bf16)),
        {"published", "fit to attention.csv (" + std::string(kSimuMax) + "/b200_bf16_ceperm.json), causal"});
    return models;
}

// ---- memory-bound ----

constexpr const char* kSister = "as elementwise on this GPU: no samples of its own";

/// Both cards' samples as one set: the PCIe card's bytes scaled to the SXM card's bandwidth.
std::vector<Sample> a100_elementwise(const Tables& tables) {
    const double scale = device_named(tables, "a100-sxm-80g").memory_bandwidth /
                         device_named(tables, "a100-pcie-80g").memory_bandwidth;
    std::vector<Sample> out = memory_samples(table_named(tables, "memory"), "a100-sxm");
    for (Sample sample : memory_samples(table_named(tables, "memory"), "a100-pcie")) {
        sample.kernel.bytes *= scale;
        out.push_back(sample);
    }
    return out;
}

std::array<sim::MemoryModel, sim::kMemoryFamilies> memory_of(const std::string& gpu, const Tables& tables) {
    using enum MemoryFamily;
    const Table& table = table_named(tables, "memory");
    const auto fit = [&](const std::string& sampled, const std::string& device, MemoryFamily family,
                         const sim::MemoryModel& prior) {
        return fit_memory(memory_samples(table, sampled), family, prior,
                          device_named(tables, device).memory_bandwidth);
    };
    std::array<sim::MemoryModel, sim::kMemoryFamilies> out;
    const auto at = [&out](MemoryFamily family) -> sim::MemoryModel& {
        return out[static_cast<std::size_t>(family)];
    };
    sim::MemoryModel prior;
    prior.fixed_s = 2.5e-6;
    prior.bandwidth = 0.85;

    const std::string lc = "PrincetonUniversity/LLMCompass@b95c6c9 (A100 SXM4), ";
    at(elementwise) = fit_memory(a100_elementwise(tables), elementwise, prior,
                                 device_named(tables, "a100-sxm-80g").memory_bandwidth);
    at(normalization) = fit("a100-sxm", "a100-sxm-80g", normalization, prior);
    at(softmax) = fit("a100-sxm", "a100-sxm-80g", softmax, prior);
    sim::MemoryModel slow = prior;
    slow.bandwidth = 0.2;
    at(gather) = fit("a100-pcie", "a100-pcie-80g", gather, slow);
    at(elementwise).provenance = {"published", lc + "gelu; " + kVidur + "/a100, residual add (memory.csv)"};
    at(normalization).provenance = {"published", lc + "layer norm (memory.csv)"};
    at(softmax).provenance = {"published", lc + "softmax (memory.csv)"};
    at(gather).provenance = {"published", std::string(kVidur) + "/a100, embedding (memory.csv)"};
    if (is_hopper(gpu)) {
        at(elementwise) = fit("h100-sxm", "h100-sxm-80g", elementwise, at(elementwise));
        at(gather) = fit("h100-sxm", "h100-sxm-80g", gather, at(gather));
        at(elementwise).provenance = {"published",
                                      std::string(kVidur) + "/h100, residual add and gelu (memory.csv)"};
        at(gather).provenance = {"published", std::string(kVidur) + "/h100, embedding (memory.csv)"};
    }
    at(optimizer) = at(elementwise);
    at(fill) = at(elementwise);
    at(optimizer).provenance = at(fill).provenance = {"derived", kSister};
    const bool own = gpu == "a100-sxm-80g" || gpu == "a100-pcie-80g" || gpu == "h100-sxm-80g";
    for (const MemoryFamily family : {elementwise, normalization, softmax, gather}) {
        const bool hopper_own = is_hopper(gpu) && (family == elementwise || family == gather);
        if (own && (!is_hopper(gpu) || hopper_own)) continue;
        at(family).provenance.kind = "derived";
        at(family).provenance.source =
            "same fraction of peak as measured elsewhere: " + at(family).provenance.source;
    }
    return out;
}

// ---- host ----

sim::HostModel host_of(const Tables& tables) {
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

/// Bandwidth of memory-bound products, from unfused attention: the A100's, or the H100's for Hopper.
/// Blackwell keeps its own fit, whose samples hold small products.
void set_gemm_bandwidth(sim::Calibration& out, const std::string& gpu, const Tables& tables) {
    if (gpu == "b200") return;
    const std::string sampled = is_hopper(gpu) ? "h100-sxm-80g" : "a100-sxm-80g";
    const Device device = device_named(tables, sampled);
    const auto memory = memory_of(sampled, tables);
    sim::FitQuality sum;
    const sim::GemmModel fitted = fit_gemm_bandwidth(
        unfused_rows(attention_speed_samples(table_named(tables, "attention_speed"), sampled)),
        gemm_of(sampled, tables, device), memory[static_cast<std::size_t>(MemoryFamily::softmax)],
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

sim::Calibration calibrate(const std::string& gpu, const Tables& tables) {
    const Device device = device_named(tables, gpu);
    sim::Calibration out;
    out.gpu = gpu;
    out.summary = summary_of(gpu);
    out.gemm[Precision::bf16] = gemm_of(gpu, tables, device);
    if (is_hopper(gpu)) {
        out.gemm[Precision::fp8] = fp8_gemm(tables, device, gpu == "h200" ? "h200" : "h100-sxm", "h100-sxm",
                                            out.gemm[Precision::bf16]);
    } else if (gpu == "b200") {
        out.gemm[Precision::fp8] = fp8_gemm(tables, device, "b200", "b200", out.gemm[Precision::bf16]);
    }
    set_gemm_bandwidth(out, gpu, tables);
    out.grouped_gemm[Precision::bf16] = grouped_of(gpu, tables);
    out.attention = is_hopper(gpu)  ? hopper_attention(tables)
                    : gpu == "b200" ? blackwell_attention(tables, device)
                                    : a100_attention(tables, device);
    out.memory = memory_of(gpu, tables);
    out.host = host_of(tables);
    return sim::parse_calibration(sim::to_yaml(out), gpu);  // the digits that the file holds, and its checks
}

}  // namespace orrery::profiler
