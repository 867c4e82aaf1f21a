// SimGrid against replay: equal where nothing is communicated, equal to the alpha-beta price of a
// collective's messages where links are not shared, slower where they are.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/network.hpp"
#include "tests/sim/collective_steps.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::sim {
namespace {

using testing::launched;
using testing::ProgramBuilder;
using testing::RandomProgram;
using testing::RandomShape;
using testing::takes;

topologies::Cluster cluster(int gpus, int nodes) {
    topologies::Cluster result;
    result.name = "test";
    result.nodes = nodes;
    result.node.name = "test-node";
    result.node.gpus = gpus;
    result.node.fabric = topologies::NodeFabric::nvswitch;
    result.node.gpu_link_bandwidth = 300e9;
    result.node.gpu_link_latency_s = 2e-6;
    result.node.nics = gpus;
    result.node.nic_bandwidth = 25e9;
    result.node.nic_latency_s = 1.5e-6;
    result.fabric.nodes_per_leaf = 2;
    result.fabric.switch_latency_s = 0.5e-6;
    return result;
}

bool without_simgrid() {
    try {
        simulate_with_simgrid(ProgramBuilder().build(), {}, cluster(1, 1));
    } catch (const MissingCapability&) {
        return true;
    }
    return false;
}

#define SKIP_WITHOUT_SIMGRID() \
    if (without_simgrid()) GTEST_SKIP() << "built without SimGrid"

/// Times scaled to what GPUs take: microseconds.
WorkCosts scaled(WorkCosts costs, double factor) {
    for (WorkCost& cost : costs) {
        cost.duration_s *= factor;
        cost.launch_s *= factor;
        cost.issue_to_end_s *= factor;
    }
    return costs;
}

void expect_near(const Timeline& one, const Timeline& other, double tolerance) {
    ASSERT_EQ(one.end.size(), other.end.size());
    for (std::size_t t = 0; t < one.end.size(); ++t) {
        EXPECT_NEAR(one.start[t], other.start[t], tolerance) << "task " << t;
        EXPECT_NEAR(one.end[t], other.end[t], tolerance) << "task " << t;
    }
}

TEST(Simgrid, EqualsReplayWithoutCommunication) {
    SKIP_WITHOUT_SIMGRID();
    for (unsigned seed = 0; seed < 40; ++seed) {
        RandomShape shape;
        shape.communicators = false;
        shape.shuffle = true;
        shape.host_waits = seed % 2 == 0;
        const RandomProgram random(seed, shape);
        const WorkCosts costs = scaled(random.builder.costs, 1e-6);
        const auto simgrid = [&] {
            return simulate_with_simgrid(random.builder.program, costs, cluster(5, 1));
        };
        std::optional<Timeline> expected;
        try {
            expected = replay(random.builder.program, costs);
        } catch (const SimulationError& error) {
            try {
                simgrid();
                ADD_FAILURE() << "no deadlock, seed " << seed;
            } catch (const SimulationError& other) {
                EXPECT_EQ(error.cycle, other.cycle);
            }
            continue;
        }
        expect_near(*expected, simgrid(), 1e-9);
    }
}

/// Members one after the other on the cluster, `spread` devices apart.
struct OneCollective {
    OneCollective(CollectiveKind kind, double bytes, std::uint32_t members, std::uint32_t spread) {
        std::vector<RankId> ranks;
        std::vector<std::uint32_t> devices;
        for (std::uint32_t i = 0; i < members; ++i) {
            ranks.push_back(builder.rank({StreamKind::tp}));
            builder.program.ranks[i].device = i * spread;
            devices.push_back(i * spread);
        }
        const CommunicatorId group = builder.communicator(ranks);
        const WorkId work = builder.collective(kind, bytes, devices, takes(0));
        for (const RankId rank : ranks) builder.task(rank, 0, work, group);
        builder.build();
    }
    ProgramBuilder builder;
};

struct Expectation {
    CollectiveKind kind;
    double latencies;  ///< messages one after the other
    double buffers;    ///< share of `bytes` that passes one link
};

/// Each message's bytes are rounded to a whole number and each event to SimGrid's precision, 1e-12 s: half a
/// byte and three events (latency, transfer, wake-up) a message on the critical path.
double tolerance(double messages, double bandwidth) {
    return messages * (0.5 / bandwidth + 3e-12);
}

TEST(Simgrid, ACollectiveAloneTakesTheAlphaBetaTimeOfItsMessages) {
    SKIP_WITHOUT_SIMGRID();
    constexpr double kBytes = 1e6;
    for (const std::uint32_t n : {2U, 3U, 8U})
        for (const bool inside_a_node : {true, false}) {
            const double steps = n - 1;
            const double pieces = testing::kPiecesPerHop * steps;
            const topologies::Cluster machine = inside_a_node ? cluster(8, 1) : cluster(1, 8);
            topologies::Cluster flat = machine;
            flat.fabric.nodes_per_leaf = 0;  // one switch: all pairs alike
            const double alpha = inside_a_node ? 2e-6 : 2 * 1.5e-6 + 0.5e-6;
            const double bandwidth = inside_a_node ? 300e9 : 25e9;
            const std::vector<Expectation> expectations = {
                {CollectiveKind::all_reduce, 2 * steps, 2 * steps / n},
                {CollectiveKind::all_gather, steps, steps / n},
                {CollectiveKind::reduce_scatter, steps, steps / n},
                {CollectiveKind::all_to_all, steps, steps / n},
                {CollectiveKind::broadcast, steps, (pieces + steps - 1) / pieces},
                {CollectiveKind::reduce, steps, (pieces + steps - 1) / pieces},
                {CollectiveKind::scatter, 1, steps / n},
                {CollectiveKind::gather, 1, steps / n},
                {CollectiveKind::barrier, std::ceil(std::log2(n)), 0},
            };
            for (const Expectation& expected : expectations) {
                const OneCollective one(expected.kind, kBytes, n, 1);
                const Timeline timeline = simulate_with_simgrid(one.builder.program, one.builder.costs, flat);
                const double time = expected.latencies * alpha + expected.buffers * kBytes / bandwidth;
                EXPECT_NEAR(timeline.makespan(), time, tolerance(expected.latencies + n + pieces, bandwidth))
                    << to_string(expected.kind) << " of " << n;
            }
        }
}

TEST(Simgrid, ASendTakesTheLatencyAndBandwidthOfItsRoute) {
    SKIP_WITHOUT_SIMGRID();
    const OneCollective near(CollectiveKind::send_recv, 5e6, 2, 2);  // node 0 to node 1, one leaf
    const OneCollective far(CollectiveKind::send_recv, 5e6, 2, 4);   // node 0 to node 2, over the spine
    const topologies::Cluster machine = cluster(2, 4);
    EXPECT_NEAR(simulate_with_simgrid(near.builder.program, near.builder.costs, machine).makespan(),
                2 * 1.5e-6 + 0.5e-6 + 5e6 / 25e9, 1e-11);
    EXPECT_NEAR(simulate_with_simgrid(far.builder.program, far.builder.costs, machine).makespan(),
                2 * 1.5e-6 + 3 * 0.5e-6 + 5e6 / 25e9, 1e-11);
}

/// Pairs of ranks that compute and exchange in turn, with launches, so that some collectives wait for the
/// device and some for the host; priced alpha-beta for replay.
TEST(Simgrid, EqualsReplayOnAlphaBetaPricesWhereNoLinkIsShared) {
    SKIP_WITHOUT_SIMGRID();
    const topologies::Cluster machine = cluster(4, 1);
    for (unsigned seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        std::uniform_int_distribution<int> micro(0, 40);
        ProgramBuilder builder;
        std::vector<RankId> ranks;
        ranks.reserve(4);
        for (int r = 0; r < 4; ++r) ranks.push_back(builder.rank({StreamKind::compute, StreamKind::tp}));
        const CommunicatorId group = builder.communicator(ranks);
        const double bytes = 400000;
        const double time = 6 * (2e-6 + bytes / 4 / 300e9);
        const WorkId all_reduce =
            builder.collective(CollectiveKind::all_reduce, bytes, {0, 1, 2, 3}, launched(7e-6, time));
        for (int step = 0; step < 10; ++step)
            for (const RankId rank : ranks) {
                const WorkId kernel = builder.kernel(launched(micro(random) * 1e-6, micro(random) * 1e-6));
                const TaskId before = builder.task(rank, 0, kernel);
                const TaskId reduced = builder.task(rank, 1, all_reduce, group, {before});
                builder.task(rank, 0, kernel, {reduced}, step % 4 == 3 ? kHostWaits : std::uint8_t{0});
            }
        builder.build();
        expect_near(replay(builder.program, builder.costs),
                    simulate_with_simgrid(builder.program, builder.costs, machine), tolerance(10 * 6, 300e9));
    }
}

TEST(Simgrid, TransfersThatShareANetworkCardTakeTurnsFairly) {
    SKIP_WITHOUT_SIMGRID();
    topologies::Cluster machine = cluster(2, 4);
    machine.node.nics = 1;
    ProgramBuilder builder;
    std::vector<RankId> ranks;
    for (std::uint32_t r = 0; r < 4; ++r) {
        ranks.push_back(builder.rank({r < 2 ? StreamKind::pp_send : StreamKind::pp_recv}));
        builder.program.ranks[r].device =
            r < 2 ? r : (r == 2 ? 2 : 4);  // node 0 to node 1 and, farther, to node 2
    }
    for (std::uint32_t i = 0; i < 2; ++i) {
        const CommunicatorId pair = builder.communicator({ranks[i], ranks[i + 2]});
        const WorkId work =
            builder.collective(CollectiveKind::send_recv, 5e6, {i, i == 0 ? 2U : 4U}, takes(5e6 / 25e9));
        builder.task(ranks[i], 0, work, pair);
        builder.task(ranks[i + 2], 0, work, pair);
    }
    const Program& program = builder.build();
    const Timeline timeline = simulate_with_simgrid(program, builder.costs, machine);
    // Both have half of the card from the start; their latencies, 3.5e-6 and 4.5e-6 s, do not weigh.
    EXPECT_NEAR(timeline.end[0], 3.5e-6 + 1e7 / 25e9, 1e-10);
    EXPECT_NEAR(timeline.end[1], 4.5e-6 + 1e7 / 25e9, 1e-10);
}

TEST(Simgrid, AGroupThatFillsItsNodesUsesAllTheirNetworkCards) {
    SKIP_WITHOUT_SIMGRID();
    topologies::Cluster machine = cluster(4, 4);
    machine.fabric.nodes_per_leaf = 0;
    const OneCollective one(CollectiveKind::all_gather, 16e6, 16, 1);
    const Timeline timeline = simulate_with_simgrid(one.builder.program, one.builder.costs, machine);
    // 15 steps of a 16th of the buffer, in 4 rings at once; the cards are the slowest links. What comes in
    // waits before them, so that they send all the time, and the last message takes its latency; no hop of
    // the 15 takes more than a card's.
    const double transfers = 15 * (16e6 / 16 / 4) / 25e9;
    EXPECT_GT(timeline.makespan(), transfers + 3.5e-6 - 1e-9);
    EXPECT_LT(timeline.makespan(), transfers + 15 * 3.5e-6 + 1e-9);
}

TEST(Simgrid, DeadlocksEndWithTheErrorOfReplay) {
    SKIP_WITHOUT_SIMGRID();
    ProgramBuilder builder;
    const RankId a = builder.rank({StreamKind::tp});
    const RankId b = builder.rank({StreamKind::tp});
    const CommunicatorId first = builder.communicator({a, b}, "first");
    const CommunicatorId second = builder.communicator({a, b}, "second");
    const WorkId work = builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1));
    builder.task(a, 0, work, first);
    builder.task(a, 0, work, second);
    builder.task(b, 0, work, second);
    builder.task(b, 0, work, first);
    builder.build();
    std::vector<std::string> cycles[2];
    try {
        replay(builder.program, builder.costs);
    } catch (const SimulationError& error) {
        cycles[0] = error.cycle;
    }
    try {
        simulate_with_simgrid(builder.program, builder.costs, cluster(2, 1));
    } catch (const SimulationError& error) {
        cycles[1] = error.cycle;
    }
    EXPECT_FALSE(cycles[0].empty());
    EXPECT_EQ(cycles[0], cycles[1]);
}

TEST(Simgrid, ProceedsWhereReplayDoesAndStopsWhereReplayStops) {
    SKIP_WITHOUT_SIMGRID();
    const auto cycle_of = [](auto run) {
        try {
            run();
        } catch (const SimulationError& error) {
            return error.cycle;
        }
        return std::vector<std::string>{};
    };
    int stopped = 0;
    for (unsigned seed = 0; seed < 60; ++seed) {
        RandomShape shape;
        shape.shuffle = true;
        const RandomProgram random(seed, shape);
        const WorkCosts costs = scaled(random.builder.costs, 1e-6);
        const auto expected = cycle_of([&] { replay(random.builder.program, costs); });
        const auto found =
            cycle_of([&] { simulate_with_simgrid(random.builder.program, costs, cluster(5, 1)); });
        EXPECT_EQ(expected, found) << seed;
        stopped += expected.empty() ? 0 : 1;
    }
    EXPECT_GT(stopped, 0);
    EXPECT_LT(stopped, 60);
}

TEST(Simgrid, RefusesFoldedPrograms) {
    SKIP_WITHOUT_SIMGRID();
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::tp});
    const CommunicatorId group = builder.communicator({rank}, "tp");
    builder.task(rank, 0, builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1)), group);
    EXPECT_THROW(simulate_with_simgrid(builder.build(), builder.costs, cluster(2, 1)), ExperimentError);
}

TEST(Simgrid, RefusesDevicesThatTheClusterDoesNotHave) {
    SKIP_WITHOUT_SIMGRID();
    const OneCollective one(CollectiveKind::all_reduce, 8, 4, 1);
    EXPECT_THROW(simulate_with_simgrid(one.builder.program, one.builder.costs, cluster(2, 1)),
                 ExperimentError);
}

}  // namespace
}  // namespace orrery::sim
