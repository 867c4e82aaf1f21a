// Whether predictions order runs as they were measured.
#include "report/ranking.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace orrery::report {
namespace {

ValidatedRun run_of(const std::string& setting, double predicted, double measured, double tokens = 1) {
    ValidatedRun run;
    run.setting = setting;
    run.predicted_step_time_s = predicted;
    run.measured_step_time_s = measured;
    run.tokens = tokens;
    return run;
}

TEST(Ranking, CountsThePairsInTheRightOrder) {
    // Measured 1 < 2 < 3 s; predicted 2 < 1 < 3: one pair of three reversed.
    const std::vector<ValidatedRun> runs{run_of("a", 2, 1), run_of("a", 1, 2), run_of("a", 3, 3)};
    const std::vector<Ranking> ranked = rankings(runs);
    ASSERT_EQ(ranked.size(), 1U);
    EXPECT_EQ(ranked[0].pairs, 3U);
    EXPECT_EQ(ranked[0].in_order, 2U);
    EXPECT_DOUBLE_EQ(ranked[0].kendall_tau(), 1.0 / 3);
    EXPECT_FALSE(ranked[0].best_found);
}

TEST(Ranking, ComparesThroughputsNotTimes) {
    // Twice the batch in 1.5 times the time is faster.
    const std::vector<ValidatedRun> runs{run_of("a", 1.6, 1.5, 2), run_of("a", 1, 1, 1)};
    const Ranking ranking = rankings(runs).at(0);
    EXPECT_EQ(ranking.in_order, 1U);
    EXPECT_TRUE(ranking.best_found);
}

TEST(Ranking, LeavesOutMeasuredTiesAndRunsWithoutASetting) {
    EXPECT_TRUE(rankings(std::vector{run_of("a", 1, 2), run_of("a", 2, 2)}).empty());
    EXPECT_TRUE(rankings(std::vector{run_of("", 1, 2), run_of("", 2, 3)}).empty());
    EXPECT_TRUE(rankings(std::vector{run_of("a", 1, 2), run_of("b", 2, 3)}).empty());
}

TEST(Ranking, APredictedTieIsNotInOrder) {
    EXPECT_EQ(rankings(std::vector{run_of("a", 1, 2), run_of("a", 1, 3)}).at(0).in_order, 0U);
}

TEST(Ranking, OfAPermutationCountsItsInversions) {
    std::mt19937 random(1);
    for (int draw = 0; draw < 50; ++draw) {
        std::vector<int> order(8);
        std::iota(order.begin(), order.end(), 1);
        std::shuffle(order.begin(), order.end(), random);
        std::vector<ValidatedRun> runs;
        for (int i = 0; i < 8; ++i) runs.push_back(run_of("a", order[static_cast<std::size_t>(i)], i + 1));
        // Bubble sort swaps once for each inversion.
        std::size_t inversions = 0;
        std::vector<int> sorted = order;
        for (std::size_t pass = 0; pass < sorted.size(); ++pass) {
            for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
                if (sorted[i] <= sorted[i + 1]) continue;
                std::swap(sorted[i], sorted[i + 1]);
                ++inversions;
            }
        }
        EXPECT_EQ(rankings(runs).at(0).in_order, 28 - inversions);
    }
}

TEST(Ranking, OfAllSettingsAddsTheirPairs) {
    const std::vector<ValidatedRun> runs{run_of("a", 1, 1), run_of("b", 2, 1), run_of("a", 2, 2),
                                         run_of("b", 1, 2)};
    const std::vector<Ranking> ranked = rankings(runs);
    ASSERT_EQ(ranked.size(), 2U);
    const Ranking all = sum_of(ranked);
    EXPECT_EQ(all.pairs, 2U);
    EXPECT_EQ(all.in_order, 1U);
    EXPECT_DOUBLE_EQ(all.kendall_tau(), 0);
    EXPECT_FALSE(all.best_found);
}

TEST(MemorySummary, CountsTheRowsThatRecordMemory) {
    std::vector<ValidatedRun> runs{run_of("", 1, 1), run_of("", 1, 1), run_of("", 1, 1)};
    runs[0].predicted_peak_bytes = 90;
    runs[0].measured_peak_bytes = 100;
    runs[2].predicted_peak_bytes = 120;
    runs[2].measured_peak_bytes = 100;
    const MemorySummary memory = summarize_memory(runs);
    EXPECT_EQ(memory.rows, 2U);
    EXPECT_NEAR(memory.mean_abs, 0.15, 1e-12);
    EXPECT_NEAR(memory.mean_signed, 0.05, 1e-12);
}

}  // namespace
}  // namespace orrery::report
