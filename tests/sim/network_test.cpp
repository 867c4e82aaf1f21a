// Routes over the links of a cluster, and the messages of collectives.
#include "sim/engine/network.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "tests/sim/collective_steps.hpp"

namespace orrery::sim {
namespace {

topologies::Cluster four_nodes() {
    topologies::Cluster cluster;
    cluster.name = "test";
    cluster.nodes = 4;
    cluster.node.name = "node";
    cluster.node.gpus = 4;
    cluster.node.gpu_link_bandwidth = 300e9;
    cluster.node.gpu_link_latency_s = 2e-6;
    cluster.node.nics = 2;
    cluster.node.nic_bandwidth = 25e9;
    cluster.node.nic_latency_s = 1e-6;
    cluster.fabric.nodes_per_leaf = 2;
    cluster.fabric.oversubscription = 2;
    cluster.fabric.switch_latency_s = 1e-7;
    return cluster;
}

std::vector<std::string> names(const Network& network, const NetworkRoute& route) {
    std::vector<std::string> result;
    for (const std::uint32_t link : route.links) result.push_back(network.links()[link].name);
    return result;
}

using Names = std::vector<std::string>;

TEST(Network, RoutesInsideANodeOverItsFabric) {
    const Network network(four_nodes());
    const NetworkRoute route = network.route(5, 7);
    EXPECT_EQ(names(network, route), (Names{"gpu 5 out", "gpu 7 in"}));
    EXPECT_DOUBLE_EQ(route.latency_s, 2e-6);
}

TEST(Network, RoutesUnderOneLeafOverTheNetworkCardsOfTheGpus) {
    const Network network(four_nodes());
    const NetworkRoute route = network.route(1, 6);
    EXPECT_EQ(names(network, route), (Names{"node 0 nic 0 out", "node 1 nic 1 in"}));
    EXPECT_DOUBLE_EQ(route.latency_s, 2 * 1e-6 + 1e-7);
}

TEST(Network, RoutesBetweenLeavesOverTheirOversubscribedUplinks) {
    const Network network(four_nodes());
    const NetworkRoute route = network.route(3, 12);
    EXPECT_EQ(names(network, route),
              (Names{"node 0 nic 1 out", "leaf 0 out", "leaf 1 in", "node 3 nic 0 in"}));
    EXPECT_DOUBLE_EQ(route.latency_s, 2 * 1e-6 + 3e-7);
    EXPECT_DOUBLE_EQ(network.links()[route.links[1]].bandwidth, 2 * 2 * 25e9 / 2);
}

TEST(Network, PassesPciAndItsSwitchToANetworkCardThatTwoGpusShare) {
    topologies::Cluster cluster = four_nodes();
    cluster.node.pcie_bandwidth = 60e9;
    const Network network(cluster);
    EXPECT_EQ(names(network, network.route(1, 6)),
              (Names{"gpu 1 pcie out", "node 0 nic 0 out", "node 1 nic 1 in", "gpu 6 pcie in"}));
    EXPECT_DOUBLE_EQ(network.route(1, 6).latency_s, 2 * 1e-6 + 1e-7);
}

TEST(Network, BundlesTheNetworkCardsOfOneGpu) {
    topologies::Cluster cluster = four_nodes();
    cluster.node.nics = 8;
    const Network network(cluster);
    const NetworkRoute route = network.route(1, 6);
    EXPECT_EQ(names(network, route), (Names{"node 0 nic 1 out", "node 1 nic 2 in"}));
    EXPECT_DOUBLE_EQ(network.links()[route.links[0]].bandwidth, 2 * 25e9);
}

TEST(Network, CountsTheSwitchesOverPods) {
    topologies::Cluster cluster = four_nodes();
    cluster.fabric.leaves_per_pod = 1;
    EXPECT_DOUBLE_EQ(Network(cluster).route(3, 12).latency_s, 2 * 1e-6 + 5e-7);
}

TEST(Network, TurnsRingsSoThatEachNetworkCardIsEnteredAndLeftOnce) {
    const Network network(four_nodes());
    const auto rings = network.rings({0, 1, 2, 3, 4, 5, 6, 7});
    ASSERT_EQ(rings.size(), 2U);  // two cards a node
    EXPECT_EQ(rings[0], (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(rings[1], (std::vector<std::uint32_t>{2, 3, 0, 1, 6, 7, 4, 5}));
    std::set<std::uint32_t> out;
    std::set<std::uint32_t> in;
    for (const auto& ring : rings)
        for (const std::size_t i : {3U, 7U}) {
            const NetworkRoute route = network.route(ring[i], ring[(i + 1) % 8]);
            out.insert(route.links.front());
            in.insert(route.links.back());
        }
    EXPECT_EQ(out.size(), 4U);
    EXPECT_EQ(in.size(), 4U);
}

TEST(Network, RingsOnRailsStayOnTheirRail) {
    topologies::Cluster cluster = four_nodes();
    cluster.fabric.kind = topologies::FabricKind::rail_optimised;
    cluster.node.nics = 4;
    const Network network(cluster);
    std::vector<std::uint32_t> all(16);
    for (std::uint32_t i = 0; i < 16; ++i) all[i] = i;
    const auto rings = network.rings(all);
    ASSERT_EQ(rings.size(), 4U);
    for (const auto& ring : rings)
        for (std::size_t i = 0; i < 16; ++i) {
            const std::uint32_t from = ring[i];
            const std::uint32_t to = ring[(i + 1) % 16];
            if (from / 4 != to / 4) {
                EXPECT_EQ(from % 4, to % 4);
            }
        }
}

TEST(Network, HasOneRingInsideANodeAndWhereANodeHasOneDevice) {
    const Network network(four_nodes());
    for (const std::vector<std::uint32_t>& devices :
         {std::vector<std::uint32_t>{0, 1, 2, 3}, {0, 4, 8, 12}, {0, 1, 4, 8}})
        EXPECT_EQ(network.rings(devices), (std::vector<std::vector<std::uint32_t>>{devices}));
}

TEST(Network, RingsPassNodeByNodeInWhateverOrderTheDevicesAreGiven) {
    const Network network(four_nodes());
    EXPECT_EQ(network.rings({0, 4, 1, 5}), (std::vector<std::vector<std::uint32_t>>{{0, 1, 4, 5}}));
    EXPECT_EQ(network.rings({4, 0, 8, 1}), (std::vector<std::vector<std::uint32_t>>{{4, 0, 1, 8}}));
    EXPECT_EQ(network.rings({0, 4, 2, 6}),
              (std::vector<std::vector<std::uint32_t>>{{0, 2, 4, 6}, {2, 0, 6, 4}}));
}

/// As many as the node with the fewest cards has of them; each enters and leaves every node by another one.
TEST(Network, HasAsManyRingsAsTheNodeWithTheFewestCardsHas) {
    topologies::Cluster cluster = four_nodes();
    cluster.node.nics = 4;
    const Network network(cluster);
    for (const std::vector<std::uint32_t>& devices :
         {std::vector<std::uint32_t>{0, 1, 2, 4, 5}, {0, 1, 2, 3, 5, 7}, {0, 2, 3, 4, 5, 6, 7, 12, 14}}) {
        const auto rings = network.rings(devices);
        ASSERT_EQ(rings.size(), 2U);
        std::set<std::uint32_t> links;
        std::size_t crossings = 0;
        for (const auto& ring : rings) {
            std::vector<std::uint32_t> sorted = ring;
            std::sort(sorted.begin(), sorted.end());
            EXPECT_EQ(sorted, devices);
            for (std::size_t i = 0; i < ring.size(); ++i) {
                const std::uint32_t to = ring[(i + 1) % ring.size()];
                if (ring[i] / 4 == to / 4) continue;
                const NetworkRoute route = network.route(ring[i], to);
                links.insert(route.links.front());
                links.insert(route.links.back());
                ++crossings;
            }
        }
        EXPECT_EQ(links.size(), 2 * crossings);
    }
}

TEST(Network, HasNoRouteWithoutLinks) {
    topologies::Cluster cluster = four_nodes();
    cluster.node.nics = 0;
    EXPECT_THROW((void)Network(cluster).route(0, 4), ExperimentError);
    EXPECT_THROW((void)Network(cluster).route(0, 16), ExperimentError);
    cluster.node.gpu_link_bandwidth = 0;
    EXPECT_THROW((void)Network(cluster).route(0, 1), ExperimentError);
    EXPECT_TRUE(Network(cluster).route(1, 1).links.empty());
}

/// Bytes that all members send together, in units of the buffer.
double buffers_sent(CollectiveKind kind, std::uint32_t n) {
    switch (kind) {
        case CollectiveKind::all_reduce:
            return 2.0 * (n - 1);
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::all_to_all:
        case CollectiveKind::broadcast:
        case CollectiveKind::reduce:
            return n - 1;
        case CollectiveKind::gather:
        case CollectiveKind::scatter:
            return (n - 1.0) / n;
        case CollectiveKind::send_recv:
            return 1;
        case CollectiveKind::barrier:
            return 0;
        case CollectiveKind::all_to_all_v:
            break;  // what its matrix says
    }
    return -1;
}

constexpr CollectiveKind kAllKinds[] = {CollectiveKind::all_reduce,     CollectiveKind::all_gather,
                                        CollectiveKind::reduce_scatter, CollectiveKind::broadcast,
                                        CollectiveKind::reduce,         CollectiveKind::all_to_all,
                                        CollectiveKind::gather,         CollectiveKind::scatter,
                                        CollectiveKind::send_recv,      CollectiveKind::barrier};

TEST(CollectiveSteps, MoveTheBytesOfTheAlgorithmAndEveryMessageIsReceived) {
    for (const CollectiveKind kind : kAllKinds)
        for (std::uint32_t n = 2; n <= 9; ++n) {
            if (kind == CollectiveKind::send_recv && n != 2) continue;
            std::vector<std::uint32_t> sent_to(n, 0);
            double bytes = 0;
            for (std::uint32_t i = 0; i < n; ++i)
                for (const testing::Message& message : testing::collective_steps(kind, 1000, n, i).messages) {
                    ASSERT_LT(message.to, n);
                    EXPECT_NE(message.to, i);
                    ++sent_to[message.to];
                    bytes += message.bytes;
                }
            for (std::uint32_t i = 0; i < n; ++i)
                EXPECT_EQ(sent_to[i], testing::collective_steps(kind, 1000, n, i).receives)
                    << to_string(kind) << " " << n;
            EXPECT_NEAR(bytes, 1000 * buffers_sent(kind, n), 1e-6) << to_string(kind) << " " << n;
        }
}

TEST(CollectiveSteps, AMemberAloneSendsNothing) {
    for (const CollectiveKind kind : kAllKinds) {
        EXPECT_TRUE(testing::collective_steps(kind, 1000, 1, 0).messages.empty());
        EXPECT_EQ(testing::collective_steps(kind, 1000, 1, 0).receives, 0U);
    }
}

}  // namespace
}  // namespace orrery::sim
