#include "study/goodput.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.hpp"
#include "study/experiment.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

constexpr double kDay = 86400;

double drawn(std::mt19937& random, double least, double most) {
    return std::exp(std::uniform_real_distribution<double>(std::log(least), std::log(most))(random));
}

TEST(Goodput, OfDrawnFailuresIsTheClosedForm) {
    std::mt19937 random(1);
    for (int i = 0; i < 40; ++i) {
        const double mtbf = drawn(random, 1e3, 1e5);
        const CheckpointedJob job{drawn(random, 1, 20), drawn(random, 1, 0.2 * mtbf),
                                  drawn(random, 1, 0.2 * mtbf)};
        const auto steps = static_cast<std::int64_t>(1 + drawn(random, 0.05, 1) * mtbf / job.step_s);
        const double interval = static_cast<double>(steps) * job.step_s;
        const SimulatedTime time = simulate_failures(job, steps, mtbf, 20000 * mtbf, 7);
        // The number of failures scatters by its root, and with it what they cost.
        EXPECT_NEAR(static_cast<double>(time.failures), 20000, 5 * std::sqrt(20000));
        const double expected = expected_goodput(interval, job.write_s, job.restart_s, mtbf);
        EXPECT_NEAR(time.trained, expected, 0.03 * expected) << i;
        EXPECT_NEAR(time.trained + time.lost + time.written + time.restarted, 1, 1e-9);
    }
}

TEST(Goodput, IsBestAtDalysInterval) {
    std::mt19937 random(2);
    for (int i = 0; i < 200; ++i) {
        const double mtbf = drawn(random, 1e3, 1e6);
        const double write = drawn(random, 1e-4, 0.5) * mtbf;
        const double restart = drawn(random, 1, 1e3);
        const auto goodput = [&](double interval) {
            return expected_goodput(interval, write, restart, mtbf);
        };
        double best = 0;
        for (double interval = mtbf * 1e-3; interval < 10 * mtbf; interval *= 1.01)
            best = std::max(best, goodput(interval));
        EXPECT_GE(goodput(daly_interval_s(write, mtbf)), best * (1 - 2e-3)) << write / mtbf;
        if (write < 0.01 * mtbf) {
            EXPECT_GE(goodput(young_interval_s(write, mtbf)), best * (1 - 5e-3));
        }
    }
}

TEST(Goodput, WithoutFailuresIsLessTheWritesAlone) {
    const double never = job_mtbf_s({}, 1024, 128);
    EXPECT_TRUE(std::isinf(never));
    EXPECT_DOUBLE_EQ(expected_goodput(90, 10, 1000, never), 0.9);
    const SimulatedTime time = simulate_failures({1, 10, 1000}, 90, never, kDay, 1);
    EXPECT_EQ(time.failures, 0);
    EXPECT_NEAR(time.trained, 0.9, 1e-9);
    EXPECT_NEAR(time.written, 0.1, 1e-9);
}

TEST(Goodput, RatesOfPartsAddUp) {
    Reliability parts;
    parts.gpu_mtbf_h = 1000;
    EXPECT_DOUBLE_EQ(job_mtbf_s(parts, 10, 1), 100 * 3600.0);
    parts.node_mtbf_h = 200;
    EXPECT_DOUBLE_EQ(job_mtbf_s(parts, 10, 2), 50 * 3600.0);
    parts.cluster_mtbf_h = 50;
    EXPECT_DOUBLE_EQ(job_mtbf_s(parts, 10, 2), 25 * 3600.0);
}

// Jobs that fail without end, or write without end, are simulated for a bounded time.
TEST(Goodput, EndsWhateverFails) {
    const SimulatedTime time = simulate_failures({1, 10, 1000}, 1, 1e-9, 365 * kDay, 1);
    EXPECT_EQ(time.trained, 0);
    EXPECT_LE(time.failures, 2'000'000);
    EXPECT_EQ(simulate_failures({1e-6, 0, 0}, 1, 1e6, 365 * kDay, 1).lost, 0);
}

// The Llama 3 paper (section 3.3.4): 419 unexpected interruptions in 54 days on 16,384 GPUs, 58.7% of them
// GPUs'; effective training time above 90%. Narayanan et al. 2021, section 5.10: a checkpoint of 1 T is 13.8
// TB.
TEST(Goodput, OfPublishedRuns) {
    Reliability parts;
    parts.gpu_mtbf_h = 16384 * 54 * 24 / 246.0;
    parts.node_mtbf_h = 2048 * 54 * 24 / 173.0;
    const double mtbf = job_mtbf_s(parts, 16384, 2048);
    EXPECT_NEAR(mtbf, 54 * kDay / 419, 1);
    EXPECT_GT(expected_goodput(daly_interval_s(3, mtbf), 3, 600, mtbf), 0.9);
    EXPECT_NEAR(checkpoint_bytes(1.008e12, Precision::fp16), 13.8e12, 0.03 * 13.8e12);
    EXPECT_EQ(checkpoint_bytes(10, Precision::fp32), 120);
}

constexpr const char* kExperiment =
    "model: {base: megatron-1.7b, layers: 4}\ncluster: {node: dgx-a100, nodes: 1}\nparallel: {dp: 8}\n"
    "training: {global_batch: 8}\ngranularity: layer\nreliability: ";

TEST(Goodput, StandsInTheResult) {
    const Experiment e = parse_experiment(
        std::string(kExperiment) +
            "{gpu_mtbf_h: 1000, checkpoint_bandwidth: 1e9, restart_s: 60, simulated_days: 3650}\n",
        "goodput.yaml");
    const report::Result result = summarize(e, simulate(e));
    ASSERT_TRUE(result.goodput);
    EXPECT_DOUBLE_EQ(result.goodput->mtbf_s, 125 * 3600.0);
    EXPECT_NEAR(result.goodput->interval_s, result.goodput->daly_interval_s, result.step_time_s);
    EXPECT_NEAR(result.goodput->simulated, result.goodput->expected, 0.01);
    EXPECT_DOUBLE_EQ(result.goodput->tokens_per_s, result.goodput->expected * result.tokens_per_s);
}

TEST(Goodput, RefusesASectionInWhichNothingFails) {
    try {
        parse_experiment(std::string(kExperiment) + "{restart_s: 60}\n", "goodput.yaml");
        FAIL() << "accepted";
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("gpu_mtbf_h"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace orrery::study
