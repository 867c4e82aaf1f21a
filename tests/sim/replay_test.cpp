// Replay against the reference engine and against the rules themselves, on random programs.
#include "sim/engine/engine.hpp"

#include <gtest/gtest.h>

#include "bench/program_sample.hpp"
#include "core/error.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"
#include "tests/sim/reference_engine.hpp"

namespace orrery::sim {
namespace {

using testing::at;
using testing::launched;
using testing::ProgramBuilder;
using testing::RandomProgram;
using testing::RandomShape;
using testing::ReferenceEngine;
using testing::takes;

constexpr unsigned kSeeds = 400;

TEST(Replay, EqualsTheReferenceOnRandomPrograms) {
    for (unsigned seed = 0; seed < kSeeds; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        const auto expected = ReferenceEngine(program, random.builder.costs).run();
        ASSERT_TRUE(expected) << seed;
        const Timeline timeline = replay(program, random.builder.costs);
        EXPECT_EQ(timeline.start, expected->start) << seed;
        EXPECT_EQ(timeline.end, expected->end) << seed;
    }
}

TEST(Replay, EqualsTheReferenceWhereStreamsAreIssuedInAnyInterleaving) {
    int deadlocks = 0;
    for (unsigned seed = 0; seed < kSeeds; ++seed) {
        RandomShape shape;
        shape.shuffle = true;
        shape.host_waits = seed % 2 == 0;
        const RandomProgram random(seed, shape);
        const Program& program = random.builder.program;
        const auto expected = ReferenceEngine(program, random.builder.costs).run();
        if (!expected) {
            ++deadlocks;
            EXPECT_THROW(replay(program, random.builder.costs), SimulationError) << seed;
            continue;
        }
        const Timeline timeline = replay(program, random.builder.costs);
        EXPECT_EQ(timeline.start, expected->start) << seed;
        EXPECT_EQ(timeline.end, expected->end) << seed;
    }
    EXPECT_GT(deadlocks, 0);
    EXPECT_LT(deadlocks, static_cast<int>(kSeeds) / 2 + 1);
}

TEST(Replay, ObeysTheRules) {
    for (unsigned seed = 0; seed < kSeeds; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        const Timeline timeline = replay(program, random.builder.costs);
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<double, double>> meetings;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const RankProgram& tasks = program.rank_programs[r];
            std::vector<double> free(tasks.streams.size(), 0);
            for (std::size_t i = 0; i < tasks.size(); ++i) {
                const std::size_t t = at(program, RankId(r), TaskId(i));
                EXPECT_GE(timeline.start[t], free[tasks.stream[i]()]) << "a stream overlaps itself";
                free[tasks.stream[i]()] = timeline.end[t];
                EXPECT_GE(timeline.end[t],
                          timeline.start[t] + random.builder.costs[tasks.work[i]()].duration_s);
                for (const TaskId before : tasks.dependencies(TaskId(i)))
                    EXPECT_GE(timeline.start[t], timeline.end[at(program, RankId(r), before)]);
                if (tasks.communicator_slot[i] == kNoCommunicator) continue;
                const auto id = program.ranks[r].communicators[tasks.communicator_slot[i]];
                const std::pair<double, double> times{timeline.start[t], timeline.end[t]};
                const auto known = meetings.emplace(std::pair(id.value, tasks.sequence[i]), times).first;
                EXPECT_EQ(known->second, times) << "the members of a rendezvous start or end apart";
            }
        }
    }
}

TEST(Replay, NothingEndsEarlierWhenAWorkTakesLonger) {
    for (unsigned seed = 0; seed < kSeeds; ++seed) {
        const RandomProgram random(seed, {});
        const Timeline before = replay(random.builder.program, random.builder.costs);
        WorkCosts slower = random.builder.costs;
        WorkCost& work = slower[seed % slower.size()];
        work.duration_s += 5;
        work.issue_to_end_s += 5;
        work.launch_s += seed % 3;
        const Timeline after = replay(random.builder.program, slower);
        for (std::size_t t = 0; t < before.end.size(); ++t) {
            EXPECT_GE(after.start[t], before.start[t]);
            EXPECT_GE(after.end[t], before.end[t]);
        }
    }
}

TEST(Replay, SharedRankProgramsGiveTheTimelineOfSeparateOnes) {
    bench::PipelineSample shape;
    shape.pipeline = 4;
    shape.tensor = 2;
    shape.data = 2;
    shape.micro_batches = 3;
    shape.layers = 1;
    shape.forward_kernels = 4;
    shape.backward_kernels = 4;
    const auto shared = bench::make_pipeline_sample(shape);
    shape.shared = false;
    const auto separate = bench::make_pipeline_sample(shape);
    const Timeline one = replay(shared.program, shared.costs);
    const Timeline other = replay(separate.program, separate.costs);
    EXPECT_EQ(one.start, other.start);
    EXPECT_EQ(one.end, other.end);
    const auto expected = ReferenceEngine(shared.program, shared.costs).run();
    ASSERT_TRUE(expected);
    for (std::size_t t = 0; t < one.end.size(); ++t) EXPECT_NEAR(one.end[t], expected->end[t], 1e-12);
}

TEST(Replay, AnEmptyProgramTakesNoTime) {
    ProgramBuilder builder;
    EXPECT_EQ(replay(builder.build(), builder.costs).makespan(), 0);
    builder.rank({StreamKind::compute});
    EXPECT_EQ(replay(builder.build(), builder.costs).makespan(), 0);
}

TEST(Replay, ShortKernelsAreBoundByTheHost) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId work = builder.kernel(launched(5, 2));
    for (int i = 0; i < 10; ++i) builder.task(rank, 0, work);
    EXPECT_EQ(replay(builder.build(), builder.costs).makespan(), 10 * 5 + 2);
}

TEST(Replay, AHostThatWaitsLosesItsLead) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId work = builder.kernel(launched(1, 10));
    builder.task(rank, 0, work);
    builder.task(rank, 0, work, {}, kHostWaits);
    builder.task(rank, 0, work);
    const Timeline timeline = replay(builder.build(), builder.costs);
    EXPECT_EQ(timeline.end, (std::vector<double>{11, 21, 32}));
}

TEST(Replay, AStreamRunsPastABlockedOne) {
    ProgramBuilder builder;
    const RankId a = builder.rank({StreamKind::compute, StreamKind::tp});
    const RankId b = builder.rank({StreamKind::compute, StreamKind::tp});
    const CommunicatorId first = builder.communicator({a, b}, "first");
    const CommunicatorId second = builder.communicator({a, b}, "second");
    const WorkId x = builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1));
    const WorkId y = builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1));
    builder.task(a, 0, x, first);
    builder.task(a, 1, y, second);
    builder.task(b, 1, y, second);
    builder.task(b, 0, x, first);
    EXPECT_EQ(replay(builder.build(), builder.costs).makespan(), 1);
}

TEST(SequenceCost, OneTaskOfASequenceEqualsOneTaskPerKernel) {
    std::mt19937 random(7);
    std::uniform_int_distribution<int> time(0, 12);
    for (int trial = 0; trial < 500; ++trial) {
        ProgramBuilder joined;
        ProgramBuilder separate;
        const RankId rank = joined.rank({StreamKind::compute});
        separate.rank({StreamKind::compute});
        std::vector<double> ends;
        for (int task = 0; task < 5; ++task) {
            std::vector<KernelTime> kernels(static_cast<std::size_t>(1 + time(random) / 2));
            for (KernelTime& kernel : kernels) {
                kernel = {static_cast<double>(time(random)), static_cast<double>(time(random))};
                separate.task(rank, 0, separate.kernel(launched(kernel.launch_s, kernel.duration_s)));
            }
            joined.task(rank, 0, joined.kernel(sequence_cost(kernels)));
            ends.push_back(static_cast<double>(separate.tasks(rank).size() - 1));
        }
        const Timeline coarse = replay(joined.build(), joined.costs);
        const Timeline fine = replay(separate.build(), separate.costs);
        for (std::size_t i = 0; i < ends.size(); ++i)
            EXPECT_EQ(coarse.end[i], fine.end[static_cast<std::size_t>(ends[i])]);
    }
}

TEST(SequenceCost, IsTheFormulaOfTheHeader) {
    const std::vector<KernelTime> kernels = {{1, 10}, {2, 1}, {20, 3}};
    const WorkCost cost = sequence_cost(kernels);
    EXPECT_EQ(cost.duration_s, 14);
    EXPECT_EQ(cost.launch_s, 23);
    EXPECT_EQ(cost.issue_to_end_s, std::max({1 + 10 + 1 + 3, 1 + 2 + 1 + 3, 1 + 2 + 20 + 3}));
}

}  // namespace
}  // namespace orrery::sim
