// Kernels beside collectives: closed forms of the fixed point, and what must not change.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "sim/engine/engine.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::takes;

constexpr double kSlowdown = 1.25;

/// One rank: a kernel of `kernel` seconds on the compute stream, a collective of two GPUs beside it from time
/// 0.
Timeline beside(double kernel, double collective, double slowdown) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::dp});
    const CommunicatorId group = builder.communicator({rank});
    builder.task(rank, 1, builder.collective(CollectiveKind::all_gather, 1e6, {0, 1}, takes(collective)),
                 group);
    builder.task(rank, 0, builder.kernel(takes(kernel)));
    return replay_with_contention(builder.build(), builder.costs, slowdown);
}

TEST(Contention, AKernelInsideACollectiveTakesTheSlowdown) {
    EXPECT_NEAR(beside(8, 100, kSlowdown).end[1], 8 * kSlowdown, 1e-4);
}

TEST(Contention, AKernelThatOutlivesTheCollectiveSlowsOnlyMeanwhile) {
    // In 4 s beside the collective it does 4 / 1.25 s of its work; the rest at full speed.
    EXPECT_NEAR(beside(10, 4, kSlowdown).end[1], 4 + (10 - 4 / kSlowdown), 1e-9);
}

TEST(Contention, NoSlowdownIsPlainReplay) {
    const Timeline timeline = beside(10, 4, 1);
    EXPECT_EQ(timeline.end[1], 10);
    EXPECT_EQ(timeline.end[0], 4);
}

TEST(Contention, TheCollectiveItselfIsNotSlowed) {
    EXPECT_EQ(beside(10, 4, kSlowdown).end[0], 4);
}

TEST(Contention, GroupsOfOneHoldNothing) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::dp});
    const CommunicatorId group = builder.communicator({rank});
    builder.task(rank, 1, builder.collective(CollectiveKind::all_gather, 1e6, {0}, takes(5)), group);
    builder.task(rank, 0, builder.kernel(takes(3)));
    EXPECT_EQ(replay_with_contention(builder.build(), builder.costs, kSlowdown).end[1], 3);
}

/// Collectives of several kinds on streams of their own, overlapping at random, beside one long kernel, whose
/// end is found here step by small step.
TEST(Contention, OfSeveralKindsTheLargestSlowdownCounts) {
    constexpr std::array kKinds{CollectiveKind::all_gather, CollectiveKind::all_to_all,
                                CollectiveKind::all_reduce};
    ComputeSlowdown by_kind = uniform_slowdown(1);
    for (std::size_t i = 0; i < kKinds.size(); ++i)
        by_kind[static_cast<std::size_t>(kKinds.at(i))] = 1.1 + 0.3 * static_cast<double>(i);
    std::mt19937 random(5);
    std::uniform_int_distribution<int> seconds(1, 9);
    for (int trial = 0; trial < 20; ++trial) {
        ProgramBuilder builder;
        const RankId rank =
            builder.rank({StreamKind::compute, StreamKind::dp, StreamKind::ep, StreamKind::cp});
        std::array<std::vector<bool>, 3> runs;  // [kind][second]
        for (std::size_t i = 0; i < kKinds.size(); ++i) {
            const CommunicatorId group = builder.communicator({rank});
            // They follow each other; a stream pauses by one of a kind that slows nothing.
            for (int n = 0; n < 4; ++n) {
                const int length = seconds(random);
                const bool pause = seconds(random) < 5;
                builder.task(rank, i + 1,
                             builder.collective(pause ? CollectiveKind::broadcast : kKinds.at(i), 1e6, {0, 1},
                                                takes(length)),
                             group);
                runs.at(i).insert(runs.at(i).end(), static_cast<std::size_t>(length), !pause);
            }
        }
        const TaskId kernel = builder.task(rank, 0, builder.kernel(takes(30)));
        const Timeline timeline = replay_with_contention(builder.build(), builder.costs, by_kind, {});
        double left = 30;
        double now = 0;
        while (left > 1e-9) {
            double slowdown = 1;
            const auto second = static_cast<std::size_t>(now + 1e-9);
            for (std::size_t i = 0; i < kKinds.size(); ++i)
                if (second < runs.at(i).size() && runs.at(i)[second])
                    slowdown = std::max(slowdown, by_kind[static_cast<std::size_t>(kKinds.at(i))]);
            const double until = static_cast<double>(second) + 1;
            const double work = std::min(left, (until - now) / slowdown);
            left -= work;
            now += work * slowdown;
        }
        EXPECT_NEAR(timeline.end[kernel()], now, 1e-6) << trial;
    }
}

TEST(Contention, NeverShortensARandomProgramAndNeverBeatsTheBound) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        testing::RandomProgram random(seed, {});
        const Program& program = random.builder.build();
        const double plain = replay(program, random.builder.costs).makespan();
        const double slowed = replay_with_contention(program, random.builder.costs, kSlowdown).makespan();
        EXPECT_GE(slowed, plain * (1 - 1e-12)) << seed;
        EXPECT_LE(slowed, plain * kSlowdown * (1 + 1e-12)) << seed;
    }
}

}  // namespace
}  // namespace orrery::sim
