#include "sim/cost/collective_cost.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

using Devices = std::vector<std::uint32_t>;

/// 8 GPUs a node with links of 100 GB/s and 1 us, 8 NICs of 10 GB/s and 2 us an end, switches of 0.5 us.
topologies::Cluster cluster(int nodes) {
    topologies::Cluster c;
    c.name = "test";
    c.node.name = "test-node";
    c.node.gpus = 8;
    c.node.fabric = topologies::NodeFabric::nvswitch;
    c.node.gpu_link_bandwidth = 100e9;
    c.node.gpu_link_latency_s = 1e-6;
    c.node.nics = 8;
    c.node.nic_bandwidth = 10e9;
    c.node.nic_latency_s = 2e-6;
    c.fabric.switch_latency_s = 0.5e-6;
    c.nodes = nodes;
    return c;
}
constexpr double kNetworkHop = 2 * 2e-6 + 0.5e-6;

Devices whole_nodes(int nodes) {
    Devices devices(static_cast<std::size_t>(nodes) * 8);
    std::iota(devices.begin(), devices.end(), 0U);
    return devices;
}

Devices one_a_node(int nodes) {
    Devices devices;
    for (int node = 0; node < nodes; ++node) devices.push_back(static_cast<std::uint32_t>(8 * node));
    return devices;
}

double ring(CollectiveKind kind, double bytes, const Devices& devices, const topologies::Cluster& on) {
    return price_collective(kind, bytes, devices, on, ideal_collectives(), {"ring", "Simple", 0}).time_s;
}

TEST(RingIdeal, AllReduceOnANodeIsTheTextbookTime) {
    for (int n = 2; n <= 8; ++n) {
        Devices devices(static_cast<std::size_t>(n));
        std::iota(devices.begin(), devices.end(), 0U);
        const double bytes = 64e6;
        const double expected = 2 * (n - 1) * 1e-6 + 2.0 * (n - 1) / n * bytes / 100e9;
        EXPECT_NEAR(ring(CollectiveKind::all_reduce, bytes, devices, cluster(1)), expected, 1e-15) << n;
        EXPECT_NEAR(ring(CollectiveKind::all_gather, bytes, devices, cluster(1)), expected / 2, 1e-15);
        EXPECT_NEAR(ring(CollectiveKind::reduce_scatter, bytes, devices, cluster(1)), expected / 2, 1e-15);
    }
}

TEST(RingIdeal, BroadcastIsAChainOfChunks) {
    EXPECT_NEAR(ring(CollectiveKind::broadcast, 1e9, whole_nodes(1), cluster(1)), 7e-6 + 1e9 / 100e9, 1e-12);
}

TEST(RingIdeal, WholeNodesUseAllNicsAndOneGpuANodeOne) {
    // 16 ranks: 2 of 30 hops between nodes, 80 GB/s of NICs against links of 100 GB/s.
    EXPECT_NEAR(ring(CollectiveKind::all_reduce, 1e9, whole_nodes(2), cluster(2)),
                28 * 1e-6 + 2 * kNetworkHop + 30.0 / 16 * 1e9 / 80e9, 1e-12);
    EXPECT_NEAR(ring(CollectiveKind::all_reduce, 1e9, one_a_node(4), cluster(4)),
                6 * kNetworkHop + 6.0 / 4 * 1e9 / 10e9, 1e-12);
}

TEST(RingIdeal, GroupsShareFewNics) {
    topologies::Cluster few = cluster(4);
    few.node.nics = 4;
    // Eight groups of one GPU a node share four NICs: half a NIC each. Alone, a group has a whole one.
    const double latency = 6 * kNetworkHop;
    EXPECT_NEAR(ring(CollectiveKind::all_reduce, 1e9, one_a_node(4), few), latency + 1.5e9 / 5e9, 1e-9);
    const auto alone = price_collective(CollectiveKind::all_reduce, 1e9, one_a_node(4), few,
                                        ideal_collectives(), {"ring", "Simple", 1});
    EXPECT_NEAR(alone.time_s, latency + 1.5e9 / 10e9, 1e-9);
}

TEST(RingIdeal, FourNicsAGpuServeOneGpu) {
    topologies::Cluster many = cluster(2);
    many.node.nics = 32;
    EXPECT_NEAR(ring(CollectiveKind::all_reduce, 1e9, one_a_node(2), many), 2 * kNetworkHop + 1e9 / 40e9,
                1e-9);
}

TEST(RingIdeal, OversubscriptionSlowsRingsThatLeaveTheirLeaves) {
    topologies::Cluster thin = cluster(8);
    thin.fabric.nodes_per_leaf = 4;
    thin.fabric.oversubscription = 4;
    const double inside = ring(CollectiveKind::all_reduce, 1e9, whole_nodes(4), thin);
    EXPECT_NEAR(inside, ring(CollectiveKind::all_reduce, 1e9, whole_nodes(4), cluster(4)), 1e-12);
    // Nodes 0 and 4: both edges leave their leaf, a quarter of the bandwidth is left.
    const Devices across{0, 32};
    const double latency = 2 * (4e-6 + 3 * 0.5e-6);
    EXPECT_NEAR(ring(CollectiveKind::all_reduce, 1e9, across, thin), latency + 1e9 / 2.5e9, 1e-9);
}

TEST(TreeIdeal, TwoNodesSendTheBufferOnceAndMoreTwice) {
    const CollectiveChoice tree{"tree", "Simple", 0};
    const auto time = [&](int nodes) {
        return price_collective(CollectiveKind::all_reduce, 1e9, one_a_node(nodes), cluster(nodes),
                                ideal_collectives(), tree)
            .time_s;
    };
    EXPECT_NEAR(time(2), 2 * kNetworkHop + 1e9 / 10e9, 1e-12);
    EXPECT_NEAR(time(4), 4 * kNetworkHop + 2e9 / 10e9, 1e-12);
    EXPECT_NEAR(time(5), 6 * kNetworkHop + 2e9 / 10e9, 1e-12);
}

TEST(NvlsIdeal, AllReduceOnANodeSendsOneBufferAndAnEighth) {
    CollectiveCalibration hopper = ideal_collectives();
    hopper.nvls.available = true;
    const auto cost = price_collective(CollectiveKind::all_reduce, 1e9, whole_nodes(1), cluster(1), hopper);
    EXPECT_EQ(cost.algorithm, "nvls");
    EXPECT_NEAR(cost.time_s, 2e-6 + 1.125e9 / 100e9, 1e-12);
}

TEST(PairwiseIdeal, AllToAllIsBoundByLinksInsideAndNicsBetween) {
    const auto time = [](int nodes) {
        return price_collective(CollectiveKind::all_to_all, 8e8, whole_nodes(nodes), cluster(nodes),
                                ideal_collectives())
            .time_s;
    };
    EXPECT_NEAR(time(1), 1e-6 + 7 * 1e8 / 100e9, 1e-12);
    EXPECT_NEAR(time(2), kNetworkHop + 8 * 8 * 5e7 / 80e9, 1e-12);
}

TEST(DirectIdeal, SendIsOneHopAndItsBytes) {
    const auto time = [](const Devices& pair) {
        return price_collective(CollectiveKind::send_recv, 1e8, pair, cluster(2), ideal_collectives()).time_s;
    };
    EXPECT_NEAR(time({0, 5}), 1e-6 + 1e8 / 100e9, 1e-12);
    EXPECT_NEAR(time({0, 8}), kNetworkHop + 1e8 / 10e9, 1e-12);
}

class EveryCalibration : public testing::TestWithParam<const char*> {
  protected:
    EveryCalibration()
        : on(topologies::make_cluster(GetParam(), 16)), calibration(load_collectives(on.node.collectives)) {}

    [[nodiscard]] double price(CollectiveKind kind, double bytes, const Devices& devices) const {
        return price_collective(kind, bytes, devices, on, calibration).time_s;
    }

    topologies::Cluster on;
    CollectiveCalibration calibration;
};

TEST_P(EveryCalibration, TimeGrowsWithBytes) {
    for (const CollectiveKind kind :
         {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
          CollectiveKind::broadcast, CollectiveKind::all_to_all, CollectiveKind::gather}) {
        for (const int nodes : {1, 2, 16}) {
            double before = 0;
            for (double bytes = 1; bytes < 1e11; bytes *= 1.7) {
                const double now = price(kind, bytes, whole_nodes(nodes));
                EXPECT_GT(now, 0);
                EXPECT_GE(now, before) << to_string(kind) << ' ' << nodes << ' ' << bytes;
                before = now;
            }
        }
    }
}

TEST_P(EveryCalibration, LargeAllReduceOutlastsItsHalves) {
    // NVSwitch reduces in the network: there an all-reduce may beat both halves, so hold it to a ring.
    for (double bytes = 1e6; bytes < 1e10; bytes *= 10) {
        const auto time = [&](CollectiveKind kind) {
            return price_collective(kind, bytes, whole_nodes(4), on, calibration, {"ring", "", 0}).time_s;
        };
        EXPECT_GE(time(CollectiveKind::all_reduce), time(CollectiveKind::all_gather));
        EXPECT_GE(time(CollectiveKind::all_reduce), time(CollectiveKind::reduce_scatter));
    }
}

TEST_P(EveryCalibration, NeverBeatsTheBareLinks) {
    CollectiveCalibration bare = ideal_collectives();
    bare.nvls.available = calibration.nvls.available;
    for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                      CollectiveKind::reduce_scatter, CollectiveKind::all_to_all})
        for (const int nodes : {1, 4})
            for (double bytes = 1e3; bytes < 1e11; bytes *= 10)
                EXPECT_GE(price_collective(kind, bytes, whole_nodes(nodes), on, calibration).time_s,
                          price_collective(kind, bytes, whole_nodes(nodes), on, bare).time_s)
                    << to_string(kind) << ' ' << nodes << ' ' << bytes;
}

TEST_P(EveryCalibration, OrderOfRanksDoesNotMatter) {
    Devices devices = whole_nodes(4);
    const double sorted = price(CollectiveKind::all_reduce, 1e8, devices);
    std::mt19937 random(7);
    for (int i = 0; i < 5; ++i) {
        std::shuffle(devices.begin(), devices.end(), random);
        EXPECT_EQ(price(CollectiveKind::all_reduce, 1e8, devices), sorted);
    }
}

INSTANTIATE_TEST_SUITE_P(Nodes, EveryCalibration,
                         testing::Values("dgx-a100", "hgx-a100-roce", "hgx-a100-800g", "aws-p4de", "dgx-h100",
                                         "aws-p5", "hgx-h200", "dgx-b200"));

TEST(PriceCollective, AGroupOfOneIsFree) {
    const auto cost =
        price_collective(CollectiveKind::all_reduce, 1e9, Devices{3}, cluster(1), ideal_collectives());
    EXPECT_EQ(cost.time_s, 0);
    EXPECT_TRUE(cost.algorithm.empty());
}

TEST(PriceCollective, RefusesWhatCannotBe) {
    const auto price = [](CollectiveKind kind, const Devices& devices, const CollectiveChoice& choice = {}) {
        return price_collective(kind, 1e6, devices, cluster(2), ideal_collectives(), choice);
    };
    EXPECT_THROW(price(CollectiveKind::all_reduce, {0, 16}), SimulationError);
    EXPECT_THROW(price(CollectiveKind::all_reduce, {1, 1}), SimulationError);
    EXPECT_THROW(price(CollectiveKind::send_recv, {0, 1, 2}), SimulationError);
    EXPECT_THROW(price(CollectiveKind::all_reduce, {0, 1}, {"rign", "", 0}), InputError);
    EXPECT_THROW(price(CollectiveKind::all_gather, {0, 1}, {"tree", "", 0}), InputError);
    EXPECT_THROW(price(CollectiveKind::all_reduce, {0, 1}, {"nvls", "", 0}), InputError);
    auto hopper = ideal_collectives();
    hopper.nvls.available = true;  // which NCCL sets up from three GPUs on
    const auto by_nvls = [&](const Devices& devices) {
        return price_collective(CollectiveKind::all_reduce, 1e6, devices, cluster(2), hopper,
                                {"nvls", "", 0});
    };
    EXPECT_THROW(by_nvls({0, 1}), InputError);
    EXPECT_EQ(by_nvls({0, 1, 2}).algorithm, "nvls");
    const std::vector<std::string> names = algorithms_of(CollectiveKind::all_reduce);
    EXPECT_NE(std::find(names.begin(), names.end(), "nvls-tree"), names.end());
}

TEST(PriceCollective, BusBandwidthIsNcclTests) {
    EXPECT_DOUBLE_EQ(bus_bandwidth(CollectiveKind::all_reduce, 8e9, 8, 1), 14e9);
    EXPECT_DOUBLE_EQ(bus_bandwidth(CollectiveKind::all_gather, 8e9, 8, 1), 7e9);
    EXPECT_DOUBLE_EQ(bus_bandwidth(CollectiveKind::send_recv, 8e9, 2, 1), 8e9);
}

TEST(PriceCollective, KindsReadBackFromTheirNames) {
    EXPECT_EQ(parse_collective_kind("reduce-scatter"), CollectiveKind::reduce_scatter);
    try {
        parse_collective_kind("all-reduc");
        FAIL();
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("did you mean 'all-reduce'"), std::string::npos);
    }
}

}  // namespace
}  // namespace orrery::sim
