#include "sim/cost/gemm_cost.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

constexpr GemmDevice kDevice{312e12, 2e12, 100};

GemmModel plain_model() {
    GemmModel model;
    model.tiles = {{256, 128, 1.0}};
    model.unaligned = {2, 3, 4};
    return model;
}

Kernel product(std::int64_t m, std::int64_t n, std::int64_t k, GemmLayout layout = GemmLayout::tn) {
    Kernel kernel;
    kernel.kind = KernelKind::gemm;
    kernel.m = m;
    kernel.n = n;
    kernel.k = k;
    kernel.layout = layout;
    return kernel;
}

TEST(GemmCost, OneFullWaveOfTilesRunsAtThePeak) {
    // 100 tiles of 256x128 on 100 multiprocessors; the power limit, equal to it, softens the corner by
    // 2^(1/8).
    const double peak_s = 2.0 * 2560 * 1280 * 65536 / 312e12;
    GemmModel model = plain_model();
    model.sustained = 2;
    EXPECT_NEAR(gemm_time(product(2560, 1280, 65536), model, kDevice), peak_s, 1e-3 * peak_s);
    model.sustained = 1;
    EXPECT_NEAR(gemm_time(product(2560, 1280, 65536), model, kDevice), peak_s * std::pow(2, 1.0 / 8),
                1e-3 * peak_s);
}

TEST(GemmCost, OneTileMoreThanAWaveCostsASecondWave) {
    GemmModel model = plain_model();
    model.sustained = 2;
    model.bandwidth = 10;
    const double full = gemm_time(product(256 * 100, 128, 768), model, kDevice);  // k too short to split
    const double over = gemm_time(product(256 * 101, 128, 768), model, kDevice);
    EXPECT_NEAR(over / full, 2, 0.01);
}

TEST(GemmCost, SplittingKFillsTheGpuWhenThereAreFewTiles) {
    GemmModel model = plain_model();
    model.sustained = 2;
    const double one_block = 2.0 * 256 * 128 * 65536 / (312e12 / 100);
    EXPECT_LT(gemm_time(product(256, 128, 65536), model, kDevice), one_block / 8);
}

TEST(GemmCost, IsNeverFasterThanItsOperandsCanBeRead) {
    const double bytes = 2.0 * (8 * 16384.0 + 16384.0 * 16384.0 + 8 * 16384.0);
    EXPECT_GE(gemm_time(product(8, 16384, 16384), plain_model(), kDevice), bytes / kDevice.memory_bandwidth);
}

TEST(GemmCost, MoreWorkIsNeverFaster) {
    GemmModel model = plain_model();
    model.tiles = {{256, 128, 0.9}, {128, 128, 0.8}, {64, 64, 0.5}};
    for (std::int64_t size = 64; size <= 16384; size *= 2) {
        const double here = gemm_time(product(size, 4096, 4096), model, kDevice);
        EXPECT_LE(here, gemm_time(product(2 * size, 4096, 4096), model, kDevice)) << size;
        EXPECT_LE(gemm_time(product(4096, size, 4096), model, kDevice),
                  gemm_time(product(4096, 2 * size, 4096), model, kDevice));
        EXPECT_LE(gemm_time(product(4096, 4096, size), model, kDevice),
                  gemm_time(product(4096, 4096, 2 * size), model, kDevice));
        Kernel twice = product(size, 4096, 4096);
        twice.batch = 2;
        EXPECT_LE(here, gemm_time(twice, model, kDevice));
    }
}

TEST(GemmCost, AccumulatingInFp32ReadsAndWritesMore) {
    GemmModel model = plain_model();
    model.exposed_output = 1;
    Kernel kernel = product(8192, 8192, 512, GemmLayout::nt);
    const double stored = gemm_time(kernel, model, kDevice);
    kernel.accumulate = true;
    kernel.output = Precision::fp32;
    EXPECT_GT(gemm_time(kernel, model, kDevice), stored);
}

TEST(GemmCost, OddVocabularyRunsUnaligned) {
    // Logits of 8,192 tokens (forward, tn), and the gradients of their inputs (nn) and weights (nt).
    const GemmModel model = plain_model();
    const auto slower = [&](std::int64_t vocabulary) {
        const double vs[] = {gemm_time(product(vocabulary, 8192, 768), model, kDevice) /
                                 gemm_time(product(50304, 8192, 768), model, kDevice),
                             gemm_time(product(768, 8192, vocabulary, GemmLayout::nn), model, kDevice) /
                                 gemm_time(product(768, 8192, 50304, GemmLayout::nn), model, kDevice),
                             gemm_time(product(768, vocabulary, 8192, GemmLayout::nt), model, kDevice) /
                                 gemm_time(product(768, 50304, 8192, GemmLayout::nt), model, kDevice)};
        return std::pair{*std::min_element(std::begin(vs), std::end(vs)),
                         *std::max_element(std::begin(vs), std::end(vs))};
    };
    EXPECT_GT(slower(50257).first, 3.5);
    EXPECT_NEAR(slower(50300).first, 2, 0.1);
    EXPECT_NEAR(slower(50300).second, 2, 0.1);
}

TEST(GemmCost, AnOddNumberOfTokensIsAlignedUnlessItsGradientsSumOverIt) {
    const GemmModel model = plain_model();
    const double even = gemm_time(product(8192, 8192, 768), model, kDevice);
    EXPECT_NEAR(gemm_time(product(8192, 8191, 768), model, kDevice), even, 0.01 * even);
}

TEST(GemmCost, AnEmptyProductTakesNoTime) {
    EXPECT_EQ(gemm_time(product(0, 128, 128), plain_model(), kDevice), 0);
}

TEST(GemmCost, APrecisionTheGpuLacksTakesItsNearestOne) {
    topologies::Gpu gpu;
    gpu.name = "a100";
    gpu.peak_flops = {{"bf16", 312e12}};
    EXPECT_EQ(gemm_device(gpu, Precision::fp8).peak_flops, 312e12);
    EXPECT_THROW(gemm_device(gpu, Precision::fp32), ExperimentError);
}

}  // namespace
}  // namespace orrery::sim
