#include "profiler/fit_collectives.hpp"

#include <unistd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "profiler/collective_recipes.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::profiler {
namespace {

const std::filesystem::path kData = std::filesystem::path(ORRERY_SOURCE_DIR) / "calibrations" / "data";

std::vector<CollectiveSample> synthetic(const sim::CollectiveCalibration& truth) {
    std::vector<CollectiveSample> samples;
    const topologies::Cluster cluster = topologies::make_cluster("dgx-a100", 1);
    for (const int gpus : {2, 4, 8}) {
        std::vector<std::uint32_t> devices;
        for (int i = 0; i < gpus; ++i) devices.push_back(static_cast<std::uint32_t>(i));
        for (double bytes = 1024; bytes < 2e9; bytes *= 2) {
            for (const auto kind : {sim::CollectiveKind::all_reduce, sim::CollectiveKind::all_gather}) {
                CollectiveSample sample;
                sample.gpus = gpus;
                sample.nodes = 1;
                sample.kind = kind;
                sample.bytes = bytes;
                sample.time_s = sim::price_collective(kind, bytes, devices, cluster, truth).time_s;
                sample.source = "synthetic";
                samples.push_back(sample);
            }
        }
    }
    return samples;
}

TEST(FitCollectives, FindsTheModelThatMadeTheSamples) {
    sim::CollectiveCalibration truth = tuner_prior(false);
    truth.link_efficiency = 0.7;
    truth.ring[2].start_s = 20e-6;
    truth.ring[2].link_step_s = 4e-6;
    const auto samples = synthetic(truth);
    const auto fit = fit_collectives(samples, topologies::make_cluster("dgx-a100", 1), tuner_prior(false));
    for (const CollectiveError& error : fit.errors)
        EXPECT_NEAR(error.relative(), 0, 0.03) << error.sample.gpus << ' ' << error.sample.bytes;
    EXPECT_NEAR(fit.calibration.link_efficiency, 0.7, 0.02);
    EXPECT_EQ(fit.calibration.fitted_least_bytes, 1024);
}

TEST(FitCollectives, OneBadSampleDoesNotPull) {
    auto samples = synthetic(tuner_prior(false));
    samples[60].time_s *= 20;
    const auto fit = fit_collectives(samples, topologies::make_cluster("dgx-a100", 1), tuner_prior(false));
    for (std::size_t i = 0; i < fit.errors.size(); ++i) {
        if (i == 60) continue;
        EXPECT_NEAR(fit.errors[i].relative(), 0, 0.03);
    }
}

TEST(FitCollectives, IsTheSameTwice) {
    const auto samples = synthetic(tuner_prior(false));
    const auto cluster = topologies::make_cluster("dgx-a100", 1);
    EXPECT_EQ(sim::to_yaml(fit_collectives(samples, cluster, tuner_prior(false)).calibration),
              sim::to_yaml(fit_collectives(samples, cluster, tuner_prior(false)).calibration));
}

TEST(FitCollectives, RefusesSamplesThatCannotBe) {
    const auto cluster = topologies::make_cluster("dgx-a100", 1);
    EXPECT_THROW(fit_collectives({}, cluster, tuner_prior(false)), InputError);
    auto samples = synthetic(tuner_prior(false));
    samples[0].gpus = 16;
    EXPECT_THROW(fit_collectives(samples, cluster, tuner_prior(false)), InputError);
}

/// Fitting on two thirds of the published sweeps predicts the last third; the bounds are a little above what
/// came out (see the residuals in calibrations/collectives).
TEST(PublishedSweeps, HeldOutSamplesAreWithinTheStatedErrors) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("fitted-" + std::to_string(::getpid()));
    const auto results =
        run_collective_recipes(read_collective_recipes(kData / "collective_fits.yaml"), folder);
    EXPECT_EQ(results.size(), 7U);
    for (const auto& [name, result] : results) {
        for (const auto& row : summarise(result.held_out, true)) {
            const bool large = row.what == "all, 1 MiB and more";
            if (!large && row.what != "all, below 1 MiB") continue;
            EXPECT_LT(row.median_error, large ? 0.06 : 0.25) << name;
        }
        // What the repository ships is what its samples give.
        const sim::CollectiveCalibration shipped = sim::load_collectives(name);
        EXPECT_NEAR(result.calibration.link_efficiency, shipped.link_efficiency, 0.01) << name;
        EXPECT_NEAR(result.calibration.network_efficiency, shipped.network_efficiency, 0.01) << name;
        EXPECT_EQ(result.calibration.residuals.size(), shipped.residuals.size()) << name;
    }
}

TEST(CollectiveSamples, ReadsQuotesAndNamesTheBadCell) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("samples-" + std::to_string(::getpid()) + ".csv");
    const std::string header = "gpu,gpus,nodes,network,collective,bytes,time_us,software,source\n";
    std::ofstream(path) << header << "g,8,1,\"a, b\",all-reduce,1024,12.5,\"nccl-tests, -g 8\",here\n"
                        << "g,8,1,n,all-reduce,0,12.5,,here\n";
    const auto samples = read_collective_samples(path);
    ASSERT_EQ(samples.size(), 1U);  // no bytes, no sample
    EXPECT_EQ(samples[0].network, "a, b");
    EXPECT_EQ(samples[0].gpus_per_process(), 8);
    EXPECT_DOUBLE_EQ(samples[0].time_s, 12.5e-6);

    std::ofstream(path) << header << "g,8,1,n,all-reduce,many,12.5,,here\n";
    try {
        read_collective_samples(path);
        FAIL();
    } catch (const InputError& error) {
        EXPECT_EQ(error.key, "bytes");
        EXPECT_EQ(error.where.line, 2U);
    }
    std::ofstream(path) << header << "g,8,1,n,all-redcue,1,12.5,,here\n";
    EXPECT_THROW(read_collective_samples(path), InputError);
    std::ofstream(path) << "gpu,gpus\n";
    EXPECT_THROW(read_collective_samples(path), InputError);
}

/// What no fit saw, from other machines than the fits' (calibrations/data/nccl_held_out.csv): the committed
/// calibrations miss it by more than by what cross-validation says.
TEST(PublishedSweeps, OtherMachinesRowsAreMetWithinTheStatedErrors) {
    const CollectiveRecipes recipes = read_collective_recipes(kData / "collective_fits.yaml");
    ASSERT_EQ(recipes.held_out.size(), 1U);
    const auto samples = read_collective_samples(recipes.held_out.front());
    EXPECT_GT(samples.size(), 80U);
    for (const CollectiveSample& sample : samples)  // none of them is fitted to
        for (const auto& table : recipes.tables)
            for (const CollectiveSample& fitted : read_collective_samples(table))
                EXPECT_NE(fitted.source, sample.source);
    int seen = 0;
    for (const CollectiveErrorRow& row : held_out_errors(samples, recipes)) {
        seen += row.collective == "all" ? row.samples : 0;
        if (row.collective != "all" || row.gpu != "h100-sxm-80g") continue;
        EXPECT_LT(row.median, row.size == "from 1 MiB" ? 0.12 : 0.25) << row.size;
    }
    EXPECT_EQ(seen, static_cast<int>(samples.size()));
    CollectiveSample unknown = samples.front();
    unknown.network = "carrier pigeons";
    EXPECT_THROW(held_out_errors({unknown}, recipes), InputError);
}

TEST(CollectiveSamples, TheRepositorysTablesRead) {
    EXPECT_GT(read_collective_samples(kData / "nccl.csv").size(), 400U);
    EXPECT_GT(read_collective_samples(kData / "nccl_more.csv").size(), 300U);
}

}  // namespace
}  // namespace orrery::profiler
