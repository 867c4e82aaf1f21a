#include "report/memory_over_time.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "report/html/memory_picture.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::sample_step;

double sum(const sim::BytesByKind& bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), 0.0);
}

double peak(const MemoryOverTime::Rank& rank) {
    double most = 0;
    for (const sim::BytesByKind& bytes : rank.slices) most = std::max(most, sum(bytes));
    return most;
}

TEST(MemoryOverTime, HasThePeakThatTheMetricsHave) {
    const auto step = sample_step(4, 8, 3);
    const MemoryOverTime memory = memory_over_time(step.program, step.timeline, 80e9);
    const sim::ClusterMemory measured = sim::measure_memory(step.program, step.timeline);
    ASSERT_EQ(memory.ranks.size(), 4u);
    EXPECT_TRUE(memory.note.empty());
    for (std::size_t r = 0; r < memory.ranks.size(); ++r) {
        ASSERT_EQ(memory.ranks[r].slices.size(), kMemorySlices);
        EXPECT_NEAR(peak(memory.ranks[r]), measured.per_rank[r].peak_bytes, 1);
        EXPECT_GE(sum(memory.ranks[r].slices.front()), measured.per_rank[r].static_bytes - 1);
    }
}

TEST(MemoryOverTime, HoldsInEachSliceTheMostOfItsMoments) {
    const auto step = sample_step(2, 6, 2);
    const MemoryOverTime memory = memory_over_time(step.program, step.timeline, 0);
    const auto curve = sim::memory_curve(step.program, step.timeline, sim::RankId(0));
    for (std::size_t s = 0; s < kMemorySlices; ++s) {
        const double begin = memory.slice_s * static_cast<double>(s);
        double most = 0;
        for (const sim::MemorySample& sample : curve) {
            if (sample.time_s >= begin + memory.slice_s) break;
            if (sample.time_s <= begin)
                most = sample.total();
            else
                most = std::max(most, sample.total());
        }
        EXPECT_NEAR(sum(memory.ranks[0].slices[s]), most, 1) << s;
    }
}

TEST(MemoryOverTime, ShowsTheFirstAndTheLastOfManyStages) {
    const auto step = sample_step(19, 4, 1);
    const MemoryOverTime memory = memory_over_time(step.program, step.timeline, 80e9);
    ASSERT_EQ(memory.ranks.size(), kMemoryRanks);
    EXPECT_EQ(memory.ranks.front().pipeline_device, 0);
    EXPECT_EQ(memory.ranks.back().pipeline_device, 18);
    EXPECT_EQ(memory.note, "8 of 19 stages are drawn.");
    EXPECT_NE(memory_picture(memory).find("stage 18"), std::string::npos);
}

TEST(MemoryOverTime, IsEmptyOfAnEmptyProgram) {
    sim::Program program;
    program.first_task = {0};
    const MemoryOverTime memory = memory_over_time(program, {}, 80e9);
    EXPECT_TRUE(memory.ranks.empty());
    EXPECT_EQ(memory_picture(memory), "");
}

}  // namespace
}  // namespace orrery::report
