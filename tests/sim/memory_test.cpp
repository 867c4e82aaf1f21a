// Memory by event, counted by hand.
#include "sim/metrics/memory.hpp"

#include <gtest/gtest.h>

#include "sim/engine/engine.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::takes;

constexpr auto kActivations = static_cast<std::size_t>(MemoryKind::activations);
constexpr auto kParameters = static_cast<std::size_t>(MemoryKind::parameters);
constexpr auto kWorkspace = static_cast<std::size_t>(MemoryKind::workspace);

/// Two forwards and two backwards on one rank; each forward holds 10 bytes until its backward ends, each
/// backward needs 3 bytes of workspace.
struct TwoMicroBatches : ::testing::Test {
    TwoMicroBatches() {
        rank = builder.rank({StreamKind::compute});
        const WorkId work = builder.kernel(takes(1));
        RankProgram& tasks = builder.tasks(rank);
        for (const int micro_batch : {0, 1, 0, 1}) {
            const TaskId task = builder.task(rank, 0, work);
            tasks.label[task()].micro_batch = micro_batch;
            if (task() < 2) {
                tasks.memory.push_back({task, MemoryKind::activations, 10});
            } else {
                tasks.memory.push_back({task, MemoryKind::workspace, 3});
                tasks.memory.push_back({task, MemoryKind::workspace, -3});
                tasks.memory.push_back({task, MemoryKind::activations, -10});
            }
        }
        tasks.static_bytes[kParameters] = 100;
        builder.build();
        timeline = replay(builder.program, builder.costs);
    }
    ProgramBuilder builder;
    RankId rank;
    Timeline timeline;
};

TEST_F(TwoMicroBatches, PeakWhenBothAreHeldAndABackwardRuns) {
    const ClusterMemory memory = measure_memory(builder.program, timeline);
    const RankMemory& peak = memory.per_rank[rank()];
    EXPECT_EQ(peak.static_bytes, 100);
    EXPECT_EQ(peak.peak_bytes, 123);
    EXPECT_EQ(peak.peak_time_s, 2);
    EXPECT_EQ(peak.peak_task, TaskId(2));
    EXPECT_EQ(peak.by_kind[kParameters], 100);
    EXPECT_EQ(peak.by_kind[kActivations], 20);
    EXPECT_EQ(peak.by_kind[kWorkspace], 3);
    EXPECT_EQ(peak.end_bytes, 100);
    EXPECT_EQ(memory.peak_rank, rank);
}

TEST_F(TwoMicroBatches, SayWhatIsAliveAtThePeak) {
    const ClusterMemory memory = measure_memory(builder.program, timeline);
    const auto alive = alive_at_peak(builder.program, timeline, memory.per_rank[rank()]);
    ASSERT_EQ(alive.size(), 3U);
    EXPECT_EQ(alive[0].micro_batch, 0);
    EXPECT_EQ(alive[0].bytes, 10);
    EXPECT_EQ(alive[1].micro_batch, 1);
    EXPECT_EQ(alive[2].kind, MemoryKind::workspace);
}

TEST_F(TwoMicroBatches, GiveBackBeforeTheNextTakes) {
    const auto curve = memory_curve(builder.program, timeline, rank);
    std::vector<double> bytes;
    bytes.reserve(curve.size());
    for (const MemorySample& sample : curve) bytes.push_back(sample.total());
    EXPECT_EQ(bytes, (std::vector<double>{110, 120, 123, 113, 100}));
}

TEST(Memory, PeakRankIsTheFirstOfTheLargest) {
    ProgramBuilder builder;
    for (const double bytes : {5.0, 7.0, 7.0})
        builder.tasks(builder.rank({StreamKind::compute})).static_bytes[kParameters] = bytes;
    const ClusterMemory memory = measure_memory(builder.build(), Timeline{});
    EXPECT_EQ(memory.peak_rank, RankId(1));
    EXPECT_EQ(memory.peak_bytes, 7);
    EXPECT_FALSE(memory.per_rank[1].peak_task);
}

}  // namespace
}  // namespace orrery::sim
