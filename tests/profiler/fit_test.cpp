// The fits recover the parameters of synthetic samples, with noise.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "profiler/fit_attention.hpp"
#include "profiler/fit_gemm.hpp"
#include "profiler/fit_memory.hpp"
#include "profiler/fit_quality.hpp"
#include "profiler/least_squares.hpp"

namespace orrery::profiler {
namespace {

/// Multiplies each time by 1 + noise, the same on every run.
void add_noise(std::vector<Sample>& samples, double spread) {
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp)
    for (Sample& sample : samples) {
        const double uniform = static_cast<double>(random()) / static_cast<double>(std::mt19937::max());
        sample.time_s *= 1 + spread * (2 * uniform - 1);
    }
}

std::vector<Sample> gemm_grid() {
    std::vector<Sample> samples;
    for (const std::int64_t m : {1024, 2048, 4096, 8192}) {
        for (const std::int64_t n : {768, 1024, 3072, 4096, 12288}) {
            for (const std::int64_t k : {512, 1024, 4096, 16384}) {
                for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
                    Sample sample;
                    sample.kernel.kind = KernelKind::gemm;
                    sample.kernel.m = m;
                    sample.kernel.n = n;
                    sample.kernel.k = k;
                    sample.kernel.layout = layout;
                    sample.kernel.flops = 2.0 * static_cast<double>(m * n * k);
                    samples.push_back(sample);
                }
            }
        }
    }
    return samples;
}

TEST(LeastSquares, FindsTheMinimumOfRosenbrocksValley) {
    LeastSquares problem;
    problem.start = Eigen::Vector2d(-1.2, 1);
    problem.huber = 1e9;
    problem.iterations = 400;
    problem.residuals = [](const Eigen::VectorXd& p) {
        return Eigen::VectorXd(Eigen::Vector2d(10 * (p[1] - p[0] * p[0]), 1 - p[0]));
    };
    const Eigen::VectorXd at = minimize(problem);
    EXPECT_NEAR(at[0], 1, 1e-3);
    EXPECT_NEAR(at[1], 1, 2e-3);
}

TEST(LeastSquares, OutliersDoNotMoveARobustFit) {
    LeastSquares problem;
    problem.start = Eigen::VectorXd::Constant(1, 0.0);
    problem.huber = 0.05;
    problem.residuals = [](const Eigen::VectorXd& p) {
        Eigen::VectorXd out = Eigen::VectorXd::Constant(20, p[0] - 1);
        out[3] = p[0] - 50;
        out[11] = p[0] - 70;
        return out;
    };
    EXPECT_NEAR(minimize(problem)[0], 1, 0.02);
}

TEST(FitGemm, RecoversTheLevelsOfNoisySamples) {
    const sim::GemmDevice device{312e12, 2e12, 108};
    sim::GemmModel truth = gemm_prior();
    for (sim::GemmTile& tile : truth.tiles) tile.efficiency *= 0.95;
    truth.sustained = 0.8;
    truth.exposed_output = 0.7;
    truth.layout = {1, 1.03, 0.97};
    std::vector<Sample> samples = gemm_grid();
    for (Sample& sample : samples) sample.time_s = sim::gemm_time(sample.kernel, truth, device);
    add_noise(samples, 0.02);
    const sim::GemmModel found = fit_gemm(samples, gemm_prior(), device);
    EXPECT_NEAR(found.sustained, truth.sustained, 0.02);
    EXPECT_NEAR(found.tiles.front().efficiency, truth.tiles.front().efficiency, 0.03);
    EXPECT_NEAR(found.layout[1], truth.layout[1], 0.015);
    EXPECT_NEAR(found.layout[2], truth.layout[2], 0.015);
    EXPECT_LT(found.quality.median_error, 0.015);
    EXPECT_LT(found.quality.p90_error, 0.03);
    sim::FitQuality quality;
    cross_validate_gemm(samples, gemm_prior(), device, 5, quality);
    EXPECT_LT(quality.held_out_median, 0.02);
}

TEST(FitAttention, RecoversEfficiencyAndOverhead) {
    const sim::GemmDevice device{312e12, 2e12, 108};
    AttentionPair truth;
    for (sim::AttentionModel* model : {&truth.forward, &truth.backward}) {
        model->overhead = 250;
        model->diagonal = 80;
        model->tail = 0.5;
    }
    truth.forward.efficiency = 0.7;
    truth.backward.efficiency = 0.6;
    truth.backward.backward = true;
    truth.forward.fixed_s = AttentionPrior{}.fixed_forward_s;
    truth.backward.fixed_s = AttentionPrior{}.fixed_backward_s;
    std::vector<Sample> samples;
    for (std::int64_t s = 512; s <= 16384; s *= 2) {
        for (const bool causal : {false, true}) {
            for (const bool backward : {false, true}) {
                Sample sample;
                sample.kernel.kind = KernelKind::attention;
                sample.kernel.batch = 16384 / s;
                sample.kernel.m = sample.kernel.n = s;
                sample.kernel.heads = 16;
                sample.kernel.k = 128;
                sample.kernel.causal = causal;
                sample.kernel.backward = backward;
                sample.time_s = attention_sample_time(sample, truth, device);
                samples.push_back(sample);
            }
        }
    }
    add_noise(samples, 0.02);
    const AttentionPair found = fit_attention(samples, AttentionImplementation::flash2, 128, {}, device);
    EXPECT_NEAR(found.forward.efficiency, 0.7, 0.02);
    EXPECT_NEAR(found.backward.efficiency, 0.6, 0.02);
    EXPECT_NEAR(found.forward.overhead, 250, 40);
    EXPECT_LT(found.forward.quality.p90_error, 0.025);
}

TEST(FitMemory, SeparatesTheCallFromTheKernel) {
    std::vector<Sample> samples;
    for (double bytes = 1e6; bytes < 3e9; bytes *= 2) {
        Sample sample;
        sample.kernel.bytes = bytes;
        sample.what = "gelu";
        sample.timed_by_call = true;
        sample.time_s = 2.5e-6 + 40e-6 + bytes / (0.8 * 2e12);
        samples.push_back(sample);
    }
    add_noise(samples, 0.01);
    sim::MemoryModel prior;
    prior.fixed_s = 2.5e-6;
    prior.bandwidth = 0.85;
    const sim::MemoryModel found = fit_memory(samples, MemoryFamily::elementwise, prior, 2e12);
    EXPECT_NEAR(found.bandwidth, 0.8, 0.015);
    EXPECT_EQ(fit_memory(samples, MemoryFamily::softmax, prior, 2e12).quality.samples, 0);
}

TEST(FitQuality, QuantilesInterpolate) {
    EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
    EXPECT_DOUBLE_EQ(quantile({1, 2}, 0.9), 1.9);
    EXPECT_DOUBLE_EQ(quantile({}, 0.5), 0);
}

}  // namespace
}  // namespace orrery::profiler
