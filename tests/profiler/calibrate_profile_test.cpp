// Calibrations from the profiler's samples: known truth and noise in, the truth out.
#include "profiler/calibrate_profile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.hpp"
#include "profiler/compare_calibrations.hpp"
#include "profiler/fit_lattice.hpp"
#include "profiler/profile/design.hpp"
#include "sim/cost/kernel_cost.hpp"
#include "topologies/gpu_file.hpp"

namespace orrery::profiler {
namespace {

/// Samples of the quick design as the calibration would have them, times 1 + noise.
std::vector<Record> synthetic(const sim::Calibration& truth, const topologies::Gpu& gpu, double noise,
                              bool quick) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    std::vector<Record> out;
    const DesignOptions options{
        .quick = quick, .precisions = {Precision::bf16}, .cache_bytes = 5e7, .memory_bytes = 8e10};
    for (const DesignPoint& point : design(options)) {
        Record record;
        record.kernel_case = point.kernel_case;
        record.cache = point.cache;
        record.device = "Synthetic";
        record.date = "2026-11-24T00:00:00Z";
        record.implementation = "cudnn";
        record.command = "orrery profile";
        Kernel kernel = point.kernel_case.kernel;
        if (kernel.kind == KernelKind::host_only) {
            record.amount = 7e10;
            record.time_s.median = 4e-6;
        } else {
            if (kernel.kind == KernelKind::attention) kernel.attention = AttentionImplementation::cudnn;
            record.time_s.median = sim::kernel_time(kernel, truth, gpu) * std::exp(noise * normal(random));
        }
        out.push_back(record);
    }
    return out;
}

TEST(CalibrateProfile, PredictsWhatTheSamplesWereMadeFrom) {
    const sim::Calibration truth = sim::load_calibration("a100-sxm-80g");
    sim::Calibration h100 = sim::load_calibration("h100-sxm-80g");
    const topologies::Gpu gpu = topologies::load_gpu("h100-sxm-80g");
    const auto records = synthetic(h100, gpu, 0.02, true);
    // The base is another GPU's: nothing but the samples can bring the H100's figures in.
    const sim::Calibration found = calibrate_profile(records, gpu, truth);
    EXPECT_EQ(found.gpu, "h100-sxm-80g");
    EXPECT_EQ(found.gemm.at(Precision::bf16).provenance.kind, "measured");
    EXPECT_NE(found.gemm.at(Precision::bf16).provenance.source.find("Synthetic"), std::string::npos);
    EXPECT_NE(found.summary.find("Usable memory: 65.19 GiB"), std::string::npos) << found.summary;
    EXPECT_DOUBLE_EQ(found.host.kernel_launch.seconds, 4e-6);
    EXPECT_EQ(found.host.forward_operator.provenance.kind, truth.host.forward_operator.provenance.kind);
    EXPECT_NE(found.host.forward_operator.provenance.source.find("not measured here"), std::string::npos);
    std::vector<double> errors;
    for (const Record& record : synthetic(h100, gpu, 0, false)) {  // the full design: mostly unseen shapes
        Kernel kernel = record.kernel_case.kernel;
        if (kernel.kind == KernelKind::host_only || kernel.kind == KernelKind::grouped_gemm) continue;
        if (kernel.kind == KernelKind::attention) kernel.attention = AttentionImplementation::cudnn;
        errors.push_back(std::abs(sim::kernel_time(kernel, found, gpu) / record.time_s.median - 1));
    }
    std::sort(errors.begin(), errors.end());
    EXPECT_LT(errors[errors.size() / 2], 0.03);
    EXPECT_LT(errors[errors.size() * 9 / 10], 0.10);
}

std::vector<Sample> dense_products(const std::function<double(const Kernel&)>& time) {
    std::vector<Sample> samples;
    for (const std::int64_t m : {1024, 1536, 2048, 3072, 4096}) {
        for (const std::int64_t n : {1024, 1536, 2048, 3072, 4096}) {
            for (const std::int64_t k : {1024, 1536, 2048, 3072, 4096}) {
                Sample sample;
                sample.kernel = gemm_case(Precision::bf16, GemmLayout::tn, 1, m, n, k).kernel;
                sample.time_s = time(sample.kernel);
                samples.push_back(sample);
            }
        }
    }
    return samples;
}

TEST(Lattice, IsChosenWhereTheFormulaMissesSomethingSmoothAndOnlyThere) {
    const sim::GemmDevice device{312e12, 2e12, 108};
    const sim::GemmModel truth = gemm_prior();
    std::mt19937 random(7);
    std::normal_distribution<double> normal(0, 0.02);
    const auto plain = dense_products([&](const Kernel& kernel) {
        return sim::gemm_time(kernel, truth, device) * std::exp(normal(random));
    });
    EXPECT_EQ(choose_lattice(plain, gemm_prior(), device, 5).reach, 0);
    // A library that is bad at one corner of the space, as libraries are.
    const auto bent = dense_products([&](const Kernel& kernel) {
        const double corner =
            std::log2(static_cast<double>(kernel.k) / 1024) - std::log2(static_cast<double>(kernel.m) / 1024);
        return sim::gemm_time(kernel, truth, device) * std::exp(0.3 * std::max(0.0, corner) + normal(random));
    });
    const LatticeChoice choice = choose_lattice(bent, gemm_prior(), device, 5);
    EXPECT_GT(choice.reach, 0);
    const auto chosen = std::find_if(choice.trials.begin(), choice.trials.end(),
                                     [&](const LatticeTrial& trial) { return trial.reach == choice.reach; });
    ASSERT_NE(chosen, choice.trials.end());
    EXPECT_LT(chosen->held_out_median, choice.trials.front().held_out_median) << choice.words();
    EXPECT_LT(chosen->held_out_p90, choice.trials.front().held_out_p90) << choice.words();
}

TEST(Lattice, SaysNothingFarFromItsPoints) {
    sim::GemmLattice lattice{0.5, {{GemmLayout::tn, false, 1, 1024, 1024, 1024, 2.0}}};
    const auto ratio = [&](std::int64_t m, GemmLayout layout) {
        return sim::lattice_ratio(gemm_case(Precision::bf16, layout, 1, m, 1024, 1024).kernel, lattice);
    };
    EXPECT_NEAR(ratio(1024, GemmLayout::tn), std::sqrt(2.0), 1e-12);  // its word against the formula's
    EXPECT_NEAR(ratio(8192, GemmLayout::tn), 1, 1e-12);
    EXPECT_EQ(ratio(1024, GemmLayout::nn), 1);
}

TEST(CalibrateProfile, RefusesNoSamplesSeveralDevicesAndMissingFamilies) {
    const topologies::Gpu gpu = topologies::load_gpu("h100-sxm-80g");
    EXPECT_THROW(calibrate_profile({}, gpu, std::nullopt), InputError);
    auto records = synthetic(sim::load_calibration("h100-sxm-80g"), gpu, 0, true);
    records.front().device = "Another";
    EXPECT_THROW(calibrate_profile(records, gpu, std::nullopt), InputError);
    records.front().device = "Synthetic";
    std::erase_if(records,
                  [](const Record& r) { return r.kernel_case.kernel.family == MemoryFamily::optimizer; });
    try {
        calibrate_profile(records, gpu, std::nullopt);
        FAIL();
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("'optimizer'"), std::string::npos);
    }
}

TEST(CompareCalibrations, ShowsAFasterMemoryAsSuch) {
    const sim::Calibration a = sim::load_calibration("h100-sxm-80g");
    const sim::Calibration b = sim::load_calibration("h200");
    double elementwise = 0;
    double product = 1;
    for (const CalibrationDifference& each : compare_calibrations(a, b)) {
        if (each.what == "elementwise of 100 MB") elementwise = each.change();
        if (each.what == "GEMM bf16 tn 8192^3") product = each.change();
    }
    EXPECT_NEAR(elementwise, 4.8 / 3.35 - 1, 0.05);  // data sheets; the fixed time takes a little
    EXPECT_NEAR(product, 0, 0.02);
    for (const CalibrationDifference& each : compare_calibrations(a, a))
        EXPECT_EQ(each.change(), 0) << each.what;
}

}  // namespace
}  // namespace orrery::profiler
