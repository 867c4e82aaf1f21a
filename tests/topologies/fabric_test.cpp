#include "topologies/fabric.hpp"

#include <gtest/gtest.h>

#include <array>

namespace orrery::topologies {
namespace {

Fabric tree(int nodes_per_leaf, int leaves_per_pod, double oversubscription) {
    return {"test", nodes_per_leaf, leaves_per_pod, oversubscription, 1e-7};
}

TEST(Fabric, CountsSwitchesByLevel) {
    const Fabric fabric = tree(4, 2, 1);
    EXPECT_EQ(switch_hops(fabric, 3, 3), 0);
    EXPECT_EQ(switch_hops(fabric, 0, 3), 1);
    EXPECT_EQ(switch_hops(fabric, 3, 4), 3);
    EXPECT_EQ(switch_hops(fabric, 7, 8), 5);
    EXPECT_EQ(switch_hops(tree(0, 0, 1), 0, 1000), 1);
    EXPECT_EQ(switch_hops(tree(4, 0, 1), 0, 1000), 3);
}

TEST(Fabric, ARingOverConsecutiveNodesCrossesEachLeafOnce) {
    const std::array nodes{0, 1, 2, 3, 4, 5, 6, 7};
    EXPECT_DOUBLE_EQ(ring_leaving(tree(4, 0, 1), nodes), 2.0 / 8);
    EXPECT_DOUBLE_EQ(ring_leaving(tree(1, 0, 1), nodes), 1);
    EXPECT_DOUBLE_EQ(ring_leaving(tree(8, 0, 1), nodes), 0);
    EXPECT_DOUBLE_EQ(ring_hops(tree(4, 0, 1), nodes), (6 * 1 + 2 * 3) / 8.0);
}

TEST(Fabric, AllPairsLeaveTheLeafMoreThanARing) {
    const std::array nodes{0, 1, 2, 3, 4, 5, 6, 7};
    EXPECT_DOUBLE_EQ(pairwise_leaving(tree(4, 0, 1), nodes), 4.0 / 7);
    EXPECT_DOUBLE_EQ(pairwise_leaving(tree(8, 0, 1), nodes), 0);
}

TEST(Fabric, OversubscriptionBitesOnlyBeyondTheUplinks) {
    EXPECT_DOUBLE_EQ(uplink_share(tree(4, 0, 4), 0.25), 1);
    EXPECT_DOUBLE_EQ(uplink_share(tree(4, 0, 4), 0.5), 0.5);
    EXPECT_DOUBLE_EQ(uplink_share(tree(4, 0, 4), 1), 0.25);
    EXPECT_DOUBLE_EQ(uplink_share(tree(4, 0, 1), 1), 1);
}

TEST(Fabric, PathLatencySumsNicsAndSwitches) {
    Cluster cluster;
    cluster.node.gpus = 8;
    cluster.node.gpu_link_latency_s = 5e-7;
    cluster.node.nic_latency_s = 1e-6;
    cluster.nodes = 8;
    cluster.fabric = tree(4, 0, 1);
    EXPECT_DOUBLE_EQ(path_latency_s(cluster, 3, 3), 0);
    EXPECT_DOUBLE_EQ(path_latency_s(cluster, 0, 7), 5e-7);
    EXPECT_DOUBLE_EQ(path_latency_s(cluster, 0, 8), 2e-6 + 1e-7);
    EXPECT_DOUBLE_EQ(path_latency_s(cluster, 0, 63), 2e-6 + 3e-7);
}

}  // namespace
}  // namespace orrery::topologies
