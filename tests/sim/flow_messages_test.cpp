// The engine flow against SimGrid at message level on random programs, and what must hold of every link.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/cost/transfer_cost.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/flow.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::takes;

constexpr std::uint32_t kGpusPerNode = 4;
constexpr std::uint32_t kNodes = 2;
constexpr std::uint32_t kRanks = kGpusPerNode * kNodes;

/// A NIC a GPU under one switch; nothing takes time but bytes.
topologies::Cluster cluster() {
    topologies::Cluster result;
    result.name = "test";
    result.nodes = kNodes;
    result.node.name = "test-node";
    result.node.gpus = kGpusPerNode;
    result.node.fabric = topologies::NodeFabric::nvswitch;
    result.node.gpu_link_bandwidth = 100e9;
    result.node.nics = kGpusPerNode;
    result.node.nic_bandwidth = 25e9;
    result.node.pcie_bandwidth = 50e9;
    return result;
}

/// The textbook's prices, rings as in SimGrid's plain choice.
CollectiveCalibration plain() {
    CollectiveCalibration calibration = ideal_collectives();
    for (const auto kind :
         {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter})
        calibration.forced[static_cast<std::size_t>(kind)] = {"ring", "Simple"};
    calibration.forced[static_cast<std::size_t>(CollectiveKind::send_recv)] = {"direct", "Simple"};
    return calibration;
}

/// Kernels and operations of random groups on four streams a rank. Every rank issues its tasks in one common
/// order, so that nothing deadlocks.
class RandomTraffic {
  public:
    enum class Groups : std::uint8_t { sends, regular, any };

    RandomTraffic(unsigned seed, Groups groups_in) : random(seed), kind_of_groups(groups_in) {
        for (std::uint32_t r = 0; r < kRanks; ++r)
            ranks.push_back(
                builder.rank({StreamKind::compute, StreamKind::ep, StreamKind::ep, StreamKind::ep}));
        for (int g = 0; g < 10; ++g) add_group(kind_of_groups == Groups::sends || g % 2 == 0);
        for (int step = 0; step < 40; ++step) add_step();
        builder.build();
    }

    ProgramBuilder builder;

  private:
    struct Group {
        std::vector<RankId> members;
        CommunicatorId id;
        std::size_t stream = 1;
        WorkId work;
    };

    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

    std::vector<RankId> random_pair() {
        std::vector<RankId> order = ranks;
        std::shuffle(order.begin(), order.end(), random);
        return {order[0], order[1]};
    }

    /// The same places of one node or of both, in their order; or any devices in any order.
    std::vector<RankId> random_group() {
        if (kind_of_groups == Groups::any) {
            std::vector<RankId> order = ranks;
            std::shuffle(order.begin(), order.end(), random);
            order.resize(static_cast<std::size_t>(between(2, kRanks)));
            return order;
        }
        const bool both = between(0, 1) == 1;
        std::vector<std::uint32_t> places(kGpusPerNode);
        std::iota(places.begin(), places.end(), 0U);
        std::shuffle(places.begin(), places.end(), random);
        places.resize(static_cast<std::size_t>(between(both ? 1 : 2, kGpusPerNode)));
        std::sort(places.begin(), places.end());
        std::vector<RankId> members;
        for (std::uint32_t node = 0; node < kNodes; ++node)
            for (const std::uint32_t place : places)
                if (both || node == 0) members.push_back(ranks[node * kGpusPerNode + place]);
        return members;
    }

    void add_group(bool pair) {
        const std::vector<RankId> order = pair ? random_pair() : random_group();
        std::vector<std::uint32_t> devices;
        for (const RankId member : order) devices.push_back(member.value);
        constexpr CollectiveKind kinds[] = {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                            CollectiveKind::reduce_scatter};
        const CollectiveKind kind = pair ? CollectiveKind::send_recv : kinds[between(0, 2)];
        const double bytes = between(1, 40) * 8.4e6;
        const double time = price_collective(kind, bytes, devices, cluster(), plain()).time_s;
        groups.push_back({order, builder.communicator(order), static_cast<std::size_t>(between(1, 3)),
                          builder.collective(kind, bytes, devices, takes(time))});
    }

    void add_step() {
        const Group& group = groups[static_cast<std::size_t>(between(0, 9))];
        for (const RankId member : group.members) {
            const WorkId kernel = builder.kernel(takes(between(0, 40) * 1e-4));
            const TaskId before = builder.task(member, 0, kernel);
            builder.task(member, group.stream, group.work, group.id, {before});
        }
    }

    std::mt19937 random;
    Groups kind_of_groups;
    std::vector<RankId> ranks;
    std::vector<Group> groups;
};

struct Both {
    Timeline flow;
    Timeline simgrid;
    Timeline alone;  ///< nothing shared
};

Both run(const ProgramBuilder& builder) {
    const Network network(cluster());
    const FlowLoads loads =
        flow_loads(builder.program, price_transfers(builder.program, plain(), cluster()), network, cluster());
    return {simulate_with_flow(builder.program, builder.costs, loads),
            simulate_with_simgrid(builder.program, builder.costs, cluster()),
            replay(builder.program, builder.costs)};
}

/// A send is one message and one load: both engines share links alike, to SimGrid's rounding to whole bytes.
TEST(FlowMessages, SendsTakeWhatTheyTakeOnSimgrid) {
    try {
        double slowed = 0;
        for (unsigned seed = 0; seed < 20; ++seed) {
            const RandomTraffic traffic(seed, RandomTraffic::Groups::sends);
            const Both both = run(traffic.builder);
            for (std::size_t t = 0; t < both.flow.end.size(); ++t) {
                EXPECT_NEAR(both.flow.start[t], both.simgrid.start[t], 1e-7)
                    << "seed " << seed << " task " << t;
                EXPECT_NEAR(both.flow.end[t], both.simgrid.end[t], 1e-7) << "seed " << seed << " task " << t;
            }
            slowed = std::max(slowed, both.flow.makespan() / both.alone.makespan());
        }
        EXPECT_GT(slowed, 1.1);  // links were shared
    } catch (const MissingCapability& missing) {
        GTEST_SKIP() << missing.what();
    }
}

/// A ring is one coupled load here and a train of messages there, whose bursts meet others' at full speed:
/// the engines differ by how the bursts fall.
void expect_near_simgrid(RandomTraffic::Groups groups) {
    try {
        std::vector<double> errors;
        double slowed = 0;
        for (unsigned seed = 100; seed < 120; ++seed) {
            const RandomTraffic traffic(seed, groups);
            const Both both = run(traffic.builder);
            errors.push_back(std::abs(both.flow.makespan() / both.simgrid.makespan() - 1));
            ::testing::Test::RecordProperty("seed " + std::to_string(seed), std::to_string(errors.back()));
            slowed = std::max(slowed, both.flow.makespan() / both.alone.makespan());
        }
        std::sort(errors.begin(), errors.end());
        EXPECT_LT(errors[errors.size() / 2], 0.05);
        EXPECT_LT(errors.back(), 0.15);
        EXPECT_GT(slowed, 1.1);
    } catch (const MissingCapability& missing) {
        GTEST_SKIP() << missing.what();
    }
}

TEST(FlowMessages, RingsTakeNearlyWhatTheirMessagesTakeOnSimgrid) {
    expect_near_simgrid(RandomTraffic::Groups::regular);
}

TEST(FlowMessages, RingsOfAnyDevicesInAnyOrderDoToo) {
    expect_near_simgrid(RandomTraffic::Groups::any);
}

TEST(FlowMessages, LinksCarryTheBytesOfTheirLoadsAndNeverMoreThanTheyCan) {
    for (unsigned seed = 200; seed < 240; ++seed) {
        const RandomTraffic traffic(seed, RandomTraffic::Groups::regular);
        const Program& program = traffic.builder.program;
        const Network network(cluster());
        const FlowLoads loads =
            flow_loads(program, price_transfers(program, plain(), cluster()), network, cluster());
        FlowUsage usage(240);
        FlowOptions options;
        options.usage = &usage;
        simulate_with_flow(program, traffic.builder.costs, loads, options);

        // Each operation of a communicator moves its load once.
        std::vector<double> expected(loads.links.size(), 0);
        std::vector<double> operations(loads.loads.size(), 0);
        for (std::size_t c = 0; c < program.communicators.size(); ++c)
            for (std::uint32_t u = loads.first_use[c]; u < loads.first_use[c + 1]; ++u) {
                const FlowLoad& load = loads.loads[loads.uses[u].load];
                operations[loads.uses[u].load] += program.communicators[c].operations;
                for (const LinkDemand& on : loads.footprint(loads.uses[u].load))
                    expected[on.link] += program.communicators[c].operations * on.demand * load.transfer_s;
            }
        for (std::size_t l = 0; l < operations.size(); ++l) EXPECT_EQ(usage.load_runs()[l], operations[l]);
        for (std::size_t l = 0; l < loads.links.size(); ++l) {
            double carried = 0;
            for (const float bytes : usage.of_link(l)) {
                carried += bytes;
                EXPECT_LE(bytes, loads.capacity[l] * usage.slice_s() * (1 + 1e-5)) << loads.name(l);
            }
            EXPECT_NEAR(carried, expected[l], 1e-4 * expected[l] + 1) << "seed " << seed << loads.name(l);
        }
    }
}

}  // namespace
}  // namespace orrery::sim
