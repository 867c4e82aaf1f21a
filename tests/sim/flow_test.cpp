// The engine flow: equal to replay where nothing is shared, equal to closed forms where something is.
#include "sim/engine/flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/flow_sample.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::sim {
namespace {

using testing::HandLoads;
using testing::launched;
using testing::ProgramBuilder;
using testing::RandomProgram;
using testing::RandomShape;
using testing::takes;

void expect_near(const Timeline& one, const Timeline& other, double relative, unsigned seed) {
    ASSERT_EQ(one.end.size(), other.end.size());
    for (std::size_t t = 0; t < one.end.size(); ++t) {
        EXPECT_NEAR(one.start[t], other.start[t], relative * one.makespan())
            << "seed " << seed << " task " << t;
        EXPECT_NEAR(one.end[t], other.end[t], relative * one.makespan()) << "seed " << seed << " task " << t;
    }
}

template <class Run>
std::vector<std::string> cycle_of(Run run) {
    try {
        run();
    } catch (const SimulationError& error) {
        return error.cycle;
    }
    return {};
}

TEST(Flow, IsReplayWhereNothingMovesOverLinks) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        const HandLoads none(program, 0);
        expect_near(replay(program, random.builder.costs),
                    simulate_with_flow(program, random.builder.costs, none.build()), 1e-15, seed);
    }
}

/// Every communicator has links of its own, and half of its operations' time moves bytes.
TEST(Flow, IsReplayWhereNoLinkIsShared) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        HandLoads loads(program, program.communicators.size());
        loads.add_all(random.builder.costs, 0.5, [](std::size_t communicator) {
            return std::vector<LinkBytes>{{static_cast<std::uint32_t>(communicator), 1, 1}};
        });
        expect_near(replay(program, random.builder.costs),
                    simulate_with_flow(program, random.builder.costs, loads.build()), 1e-12, seed);
    }
}

TEST(Flow, ProceedsWhereReplayDoesAndNamesTheSameCycle) {
    int stopped = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        RandomShape shape;
        shape.shuffle = true;
        const RandomProgram random(seed, shape);
        const Program& program = random.builder.program;
        HandLoads loads(program, 1);
        loads.add_all(random.builder.costs, 0.5, [](std::size_t) {
            return std::vector<LinkBytes>{{0, 1, 1}};
        });
        const FlowLoads table = loads.build();
        const auto expected = cycle_of([&] { replay(program, random.builder.costs); });
        EXPECT_EQ(expected, cycle_of([&] { simulate_with_flow(program, random.builder.costs, table); }))
            << seed;
        stopped += expected.empty() ? 0 : 1;
    }
    EXPECT_GT(stopped, 0);
    EXPECT_LT(stopped, 200);
}

/// Two ranks, each with a collective of its own over one link that both need.
struct TwoOnALink {
    TwoOnALink(double first_s, double second_s, double kernel_s = 0, StreamKind first_stream = StreamKind::dp,
               StreamKind second_stream = StreamKind::dp) {
        const StreamKind kinds[2] = {first_stream, second_stream};
        const double transfer[2] = {first_s, second_s};
        for (int i = 0; i < 2; ++i) {
            const RankId rank = builder.rank({kinds[i], StreamKind::compute});
            const CommunicatorId group = builder.communicator({rank});
            const WorkId work = builder.collective(CollectiveKind::all_reduce, 1, {0, 1}, takes(transfer[i]));
            std::vector<TaskId> after;
            if (i == 1 && kernel_s > 0)
                after.push_back(builder.task(rank, 1, builder.kernel(takes(kernel_s))));
            ends.push_back(builder.task(rank, 0, work, group, after));
        }
        builder.build();
    }
    [[nodiscard]] FlowLoads loads() const {
        HandLoads table(builder.program, 1);
        table.add_all(builder.costs, 1, [](std::size_t) { return std::vector<LinkBytes>{{0, 1e9, 1e9}}; });
        return table.build();
    }
    [[nodiscard]] double end(const Timeline& timeline, std::size_t rank) const {
        return timeline.end[testing::at(builder.program, RankId(rank), ends[rank])];
    }
    ProgramBuilder builder;
    std::vector<TaskId> ends;
};

TEST(Flow, TwoLoadsThatShareALinkTakeTwiceAsLong) {
    const TwoOnALink two(4, 4);
    const Timeline timeline = simulate_with_flow(two.builder.program, two.builder.costs, two.loads());
    EXPECT_NEAR(two.end(timeline, 0), 8, 1e-12);
    EXPECT_NEAR(two.end(timeline, 1), 8, 1e-12);
}

TEST(Flow, TheShorterOneEndsAndTheOtherGoesOnAlone) {
    // Both have half of the link for 4 s, in which the second is done; the first then needs 4 - 2 s more.
    const TwoOnALink two(4, 2);
    const Timeline timeline = simulate_with_flow(two.builder.program, two.builder.costs, two.loads());
    EXPECT_NEAR(two.end(timeline, 1), 4, 1e-12);
    EXPECT_NEAR(two.end(timeline, 0), 6, 1e-12);
}

TEST(Flow, ALoadThatComesLaterSharesFromThenOn) {
    // 3 s alone, then 1 s of work left at half speed until 5 s; the second has then 3 of its 4 s left.
    const TwoOnALink two(4, 4, 3);
    const Timeline timeline = simulate_with_flow(two.builder.program, two.builder.costs, two.loads());
    EXPECT_NEAR(two.end(timeline, 0), 5, 1e-12);
    EXPECT_NEAR(two.end(timeline, 1), 8, 1e-12);
}

TEST(Flow, WeightsDivideALinkAndPrioritiesOrderIt) {
    const TwoOnALink two(3, 3, 0, StreamKind::pp_send, StreamKind::dp);
    FlowOptions options;
    options.shares[static_cast<std::size_t>(StreamKind::pp_send)].weight = 2;
    const Timeline weighted =
        simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
    EXPECT_NEAR(two.end(weighted, 0), 4.5, 1e-12);
    EXPECT_NEAR(two.end(weighted, 1), 6, 1e-12);
    options.shares[static_cast<std::size_t>(StreamKind::pp_send)] = {1, 1};
    const Timeline ordered = simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
    EXPECT_NEAR(two.end(ordered, 0), 3, 1e-12);
    EXPECT_NEAR(two.end(ordered, 1), 6, 1e-12);
}

TEST(Flow, ALateLaunchDelaysTheBytesAsItDelaysTheEnd) {
    // Issued after 5 s of launching, so that it moves its bytes from 5 s on, beside the other from 5 to 8 s.
    ProgramBuilder builder;
    std::vector<TaskId> ends;
    for (int i = 0; i < 2; ++i) {
        const RankId rank = builder.rank({StreamKind::dp});
        const CommunicatorId group = builder.communicator({rank});
        const WorkCost cost = i == 0 ? takes(6) : launched(5, 1);
        ends.push_back(
            builder.task(rank, 0, builder.collective(CollectiveKind::all_reduce, 1, {0, 1}, cost), group));
    }
    const Program& program = builder.build();
    HandLoads table(program, 1);
    table.add_all(builder.costs, 1, [](std::size_t) { return std::vector<LinkBytes>{{0, 1, 1}}; });
    const Timeline timeline = simulate_with_flow(program, builder.costs, table.build());
    EXPECT_NEAR(timeline.end[0], 7, 1e-12);
    EXPECT_NEAR(timeline.end[1], 7, 1e-12);
    EXPECT_EQ(timeline.start[1], 0);
}

// ---- kernels beside collectives ----

constexpr double kSlowdown = 1.25;

FlowOptions slowed(double factor) {
    FlowOptions options;
    options.slowdown = uniform_slowdown(factor);
    return options;
}

Timeline beside(double kernel, double collective, double before, double slowdown) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::dp});
    const CommunicatorId group = builder.communicator({rank});
    const TaskId first = builder.task(rank, 0, builder.kernel(takes(before)));
    builder.task(rank, 1, builder.collective(CollectiveKind::all_gather, 1e6, {0, 1}, takes(collective)),
                 group, {first});
    builder.task(rank, 0, builder.kernel(takes(kernel)));
    builder.task(rank, 0, builder.kernel(takes(kernel)));
    const Program& program = builder.build();
    const HandLoads none(program, 0);
    return simulate_with_flow(program, builder.costs, none.build(), slowed(slowdown));
}

TEST(Flow, AKernelBesideACollectiveTakesTheSlowdown) {
    const Timeline timeline = beside(8, 100, 1, kSlowdown);
    EXPECT_NEAR(timeline.end[2], 1 + 8 * kSlowdown, 1e-12);
    EXPECT_NEAR(timeline.end[3], 1 + 16 * kSlowdown, 1e-12);
    EXPECT_NEAR(timeline.end[1], 101, 1e-12);
}

TEST(Flow, AKernelThatOutlivesTheCollectiveSlowsOnlyMeanwhile) {
    const Timeline timeline = beside(10, 4, 1, kSlowdown);
    EXPECT_NEAR(timeline.end[2], 1 + 4 + (10 - 4 / kSlowdown), 1e-12);
    EXPECT_NEAR(timeline.end[3], timeline.end[2] + 10, 1e-12);
}

/// Seconds of [begin, end] in which the kernel got on, at 1/slowdown beside the rank's collectives.
double work_done(const Program& program, RankId rank, const Timeline& timeline, double begin, double end) {
    const RankProgram& tasks = program.program_of(rank);
    std::vector<double> marks = {begin, end};
    const auto first = static_cast<std::ptrdiff_t>(program.first_task[rank()]);
    for (std::size_t i = 0; i < tasks.size(); ++i)
        for (const double mark :
             {timeline.start[program.first_task[rank()] + i], timeline.end[program.first_task[rank()] + i]})
            marks.push_back(std::clamp(mark, begin, end));
    std::sort(marks.begin(), marks.end());
    double done = 0;
    for (std::size_t m = 0; m + 1 < marks.size(); ++m) {
        const double middle = (marks[m] + marks[m + 1]) / 2;
        bool beside = false;
        for (std::size_t i = 0; i < tasks.size(); ++i)
            beside = beside || (holds_multiprocessors(program, program.works[tasks.work[i]()],
                                                      tasks.streams[tasks.stream[i]()].kind) &&
                                timeline.start[static_cast<std::size_t>(first) + i] < middle &&
                                timeline.end[static_cast<std::size_t>(first) + i] > middle);
        done += (marks[m + 1] - marks[m]) / (beside ? kSlowdown : 1);
    }
    return done;
}

TEST(Flow, EveryKernelDoesItsWorkAtTheSpeedThatTheTimelineImplies) {
    int slower = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        RandomProgram random(seed, {});
        for (RankProgram& tasks : random.builder.program.rank_programs)
            for (std::size_t s = 0; s < tasks.streams.size(); ++s)
                tasks.streams[s].kind = s % 2 == 0 ? StreamKind::compute : StreamKind::dp;
        const Program& program = random.builder.program;
        WorkCosts costs = random.builder.costs;
        for (WorkCost& cost : costs) cost = takes(cost.duration_s);
        HandLoads loads(program, 2);
        loads.add_all(costs, 0.7, [](std::size_t communicator) {
            return std::vector<LinkBytes>{{static_cast<std::uint32_t>(communicator % 2), 1, 1}};
        });
        const Timeline timeline = simulate_with_flow(program, costs, loads.build(), slowed(kSlowdown));
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const RankProgram& tasks = program.program_of(RankId(r));
            for (std::size_t i = 0; i < tasks.size(); ++i) {
                const bool kernel = std::holds_alternative<KernelSequence>(program.works[tasks.work[i]()]);
                if (!kernel || tasks.streams[tasks.stream[i]()].kind != StreamKind::compute) continue;
                const std::size_t task = program.first_task[r] + i;
                const double duration = costs[tasks.work[i]()].duration_s;
                EXPECT_NEAR(work_done(program, RankId(r), timeline, timeline.start[task], timeline.end[task]),
                            duration, 1e-9)
                    << "seed " << seed << " rank " << r << " task " << i;
                slower += timeline.end[task] - timeline.start[task] > duration * 1.01 ? 1 : 0;
            }
        }
    }
    EXPECT_GT(slower, 200);
}

// ---- disturbances ----

TEST(Flow, StragglersAndJitterAreThoseOfReplay) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        FlowOptions options;
        options.disturbances.stragglers = {{0, 1.5}};
        options.disturbances.jitter = {0.1, seed};
        const HandLoads none(program, 0);
        const std::vector<double> stretch =
            kernel_stretch(program, random.builder.costs, options.disturbances);
        expect_near(replay(program, random.builder.costs, stretch),
                    simulate_with_flow(program, random.builder.costs, none.build(), options), 1e-12, seed);
    }
}

TEST(Flow, ADegradedLinkSlowsWhatIsOnItFromThenOn) {
    const TwoOnALink two(4, 4);
    FlowOptions options;
    options.disturbances.link_faults = {{0, 2, 0.5}};
    // Each has half of the link for 2 s and a quarter of it for the 3 s of work that are left.
    const Timeline timeline =
        simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
    EXPECT_NEAR(two.end(timeline, 0), 2 + 3 / 0.25, 1e-12);
}

TEST(Flow, ALinkThatComesBackOnlyDelays) {
    const TwoOnALink two(4, 4);
    FlowOptions options;
    options.disturbances.link_faults = {{0, 2, 0}, {0, 12, 1}};
    const Timeline timeline =
        simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
    EXPECT_NEAR(two.end(timeline, 0), 18, 1e-12);
}

TEST(Flow, ACutLinkIsAnErrorThatNamesRanksAndTasks) {
    const TwoOnALink two(4, 4);
    FlowOptions options;
    options.disturbances.link_faults = {{0, 2, 0}};
    try {
        simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
        FAIL() << "no error";
    } catch (const SimulationError& error) {
        EXPECT_NE(std::string(error.what()).find("link 'link 0' is cut"), std::string::npos) << error.what();
        ASSERT_EQ(error.cycle.size(), 1U);
        EXPECT_NE(error.cycle[0].find("rank 0"), std::string::npos) << error.cycle[0];
    }
}

TEST(Flow, ADeviceThatFailsIsAnErrorUnlessItHasFinished) {
    const TwoOnALink two(4, 4);
    FlowOptions options;
    options.disturbances.device_faults = {{1, 2}};
    EXPECT_THROW(simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options),
                 SimulationError);
    options.disturbances.device_faults = {{1, 9}};
    const Timeline timeline =
        simulate_with_flow(two.builder.program, two.builder.costs, two.loads(), options);
    EXPECT_NEAR(two.end(timeline, 1), 8, 1e-12);
}

TEST(Flow, ADeviceThatSlowsDownDoesSoFromThenOn) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    for (int i = 0; i < 3; ++i) builder.task(rank, 0, builder.kernel(takes(2)));
    const Program& program = builder.build();
    FlowOptions options;
    options.disturbances.device_faults = {{0, 3, 2}};
    const HandLoads none(program, 0);
    const Timeline timeline = simulate_with_flow(program, builder.costs, none.build(), options);
    EXPECT_NEAR(timeline.end[0], 2, 1e-12);
    EXPECT_NEAR(timeline.end[1], 3 + 2, 1e-12);
    EXPECT_NEAR(timeline.end[2], 3 + 2 + 4, 1e-12);
}

}  // namespace
}  // namespace orrery::sim
