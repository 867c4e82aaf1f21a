// What a group can count on, over every level of the fabric.
#include "sim/cost/group_placement.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "topologies/zoo_clusters.hpp"

namespace orrery::sim {
namespace {

std::vector<std::uint32_t> first(std::uint32_t count, std::uint32_t stride = 1) {
    std::vector<std::uint32_t> devices(count);
    for (std::uint32_t i = 0; i < count; ++i) devices[i] = i * stride;
    return devices;
}

TEST(GroupPlacement, ThePodsUplinksLimitWhatLeavesThePod) {
    topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 16);
    cluster.fabric.nodes_per_leaf = 2;
    cluster.fabric.leaves_per_pod = 4;
    cluster.fabric.core_oversubscription = 8;
    // A ring over 2 pods of 8 nodes crosses pods on 2 of 16 edges: an eighth, just what there is.
    const auto all = place_group(first(128), cluster);
    EXPECT_DOUBLE_EQ(all.ring_share, 1);
    // All pairs: 8 of 15 peers lie in the other pod.
    EXPECT_DOUBLE_EQ(all.pairwise_share, 15.0 / (8 * 8));
}

TEST(GroupPlacement, SitesLimitByTheirLinkAndAddItsLatency) {
    topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 8);
    cluster.fabric.sites = 2;
    cluster.fabric.site_bandwidth = 100e9;
    cluster.fabric.site_latency_s = 1e-3;
    const auto all = place_group(first(64), cluster);
    // A quarter of the ring's edges cross; 4 nodes of 400 GB/s on each side ask for 400 GB/s of 100.
    EXPECT_DOUBLE_EQ(all.ring_share, 0.25);
    EXPECT_NEAR(all.network_latency_s, 1e-3 / 4, 1e-5);
}

TEST(GroupPlacement, ATorusGroupHasTheLinksOfItsBox) {
    const topologies::Cluster cluster = topologies::find_cluster("tpu-v4-pod", 128);  // 8 x 8 x 8
    EXPECT_DOUBLE_EQ(place_group(first(512), cluster).link_bandwidth, 6 * 50e9);
    EXPECT_DOUBLE_EQ(place_group(first(64), cluster).link_bandwidth, 4 * 50e9);     // a plane
    EXPECT_DOUBLE_EQ(place_group(first(8), cluster).link_bandwidth, 2 * 50e9);      // a ring round x
    EXPECT_DOUBLE_EQ(place_group(first(4), cluster).link_bandwidth, 50e9);          // a line
    EXPECT_DOUBLE_EQ(place_group(first(8, 64), cluster).link_bandwidth, 2 * 50e9);  // a ring round z
    EXPECT_TRUE(place_group(first(512), cluster).one_node());
}

TEST(GroupPlacement, AnUnevenGroupHasTheNicsOfItsSmallestNode) {
    const topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 3);
    const std::vector<std::uint32_t> devices{8, 0, 1, 2, 9, 10, 11, 16, 17};  // 3, 4 and 2 of a node
    const auto group = place_group(devices, cluster);
    EXPECT_EQ(group.least_per_node, 2);
    EXPECT_EQ(group.most_per_node, 4);
    EXPECT_EQ(group.root_members, 4);
    EXPECT_DOUBLE_EQ(group.network_bandwidth, 2 * 50e9);
    // Each member has a NIC to itself on every node: two share the two NICs.
    EXPECT_DOUBLE_EQ(group.sharing_members, 2);
    // Alone on the cluster but with one NIC a node, four share what two do.
    topologies::Cluster thin = cluster;
    thin.node.nics = 1;
    EXPECT_DOUBLE_EQ(place_group(devices, thin, 1).sharing_members, 4);
}

TEST(GroupPlacement, AMixedGroupMovesAtThePaceOfItsSlowestNode) {
    topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 2);
    topologies::Node slow = cluster.node;
    slow.nic_bandwidth = 10e9;
    cluster.groups = {{cluster.node, 1}, {slow, 1}};
    EXPECT_DOUBLE_EQ(place_group(first(16), cluster).network_bandwidth, 8 * 10e9);
    cluster.groups = {{slow, 1}, {cluster.node, 1}};
    EXPECT_DOUBLE_EQ(place_group(first(16), cluster).network_bandwidth, 8 * 10e9);
}

TEST(GroupPlacement, ADragonflysRingBetweenTwoGroupsHasOneSetOfCables) {
    topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 8);
    cluster.fabric = topologies::load_fabric("dragonfly");
    cluster.fabric.routers_per_group = 4;
    cluster.fabric.global_bandwidth = 100e9;
    // A quarter of the edges leaves; 4 nodes of 400 GB/s: 400 GB/s over one cable of 100.
    EXPECT_DOUBLE_EQ(place_group(first(64), cluster).ring_share, 0.25);
}

}  // namespace
}  // namespace orrery::sim
