// Kernels beside collectives: closed forms of the fixed point, and what must not change.
#include <gtest/gtest.h>

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
