// What every graph must be, whoever built it: ways that hang together and are shortest (against a plain
// breadth-first search), cables that work both ways, flows that spread over equal ways.
#include "topologies/graph.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "core/error.hpp"
#include "sample_clusters.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

using testing_samples::Sample;

class EveryTopology : public testing::TestWithParam<Sample> {
  protected:
    EveryTopology() : graph(build_graph(GetParam().cluster)) {}

    /// Links of a shortest way from one device to every vertex, by breadth-first search. Host memory passes
    /// nothing on but in PCIe nodes, a torus is not left, and neither is a node on the way to its own GPUs.
    [[nodiscard]] std::vector<std::uint32_t> hops_from(VertexId from, bool inside) const {
        const Cluster& cluster = GetParam().cluster;
        const bool torus = cluster.fabric.kind == FabricKind::torus && !cluster.custom;
        std::vector<std::vector<VertexId>> around(graph.vertices());
        for (LinkId link = 0; link < graph.links(); ++link) {
            if (torus && graph.tier(link) != Tier::ici) continue;
            if (inside && graph.tier(link) == Tier::nic && !cluster.custom) continue;
            around[graph.from(link)].push_back(graph.to(link));
        }
        std::vector<std::uint32_t> hops(graph.vertices(), ~0U);
        std::deque<VertexId> open{from};
        hops[from] = 0;
        while (!open.empty()) {
            const VertexId at = open.front();
            open.pop_front();
            const bool passes = graph.kind(at) == VertexKind::device ? at == from || GetParam().gpus_forward
                                : graph.kind(at) == VertexKind::host ? cluster.node.fabric == NodeFabric::pcie
                                                                     : true;
            if (!passes) continue;
            for (const VertexId next : around[at])
                if (hops[next] == ~0U) {
                    hops[next] = hops[at] + 1;
                    open.push_back(next);
                }
        }
        return hops;
    }

    Graph graph;
};

TEST_P(EveryTopology, WaysHangTogetherAndAreShortest) {
    Way way;
    for (std::uint32_t a = 0; a < graph.devices(); ++a) {
        const auto inside = hops_from(a, true);
        const auto outside = hops_from(a, false);
        for (std::uint32_t b = 0; b < graph.devices(); ++b)
            for (std::uint32_t channel = 0; channel < 4; ++channel) {
                const Cluster& cluster = GetParam().cluster;
                const auto& hops =
                    cluster.fabric.kind != FabricKind::torus && cluster.node_of(a) == cluster.node_of(b)
                        ? inside
                        : outside;
                graph.route(a, b, flow_of(a, b, channel), way);
                VertexId at = a;
                for (const LinkId link : way) {
                    ASSERT_EQ(graph.from(link), at)
                        << graph.link_name(link) << " on the way " << a << " to " << b;
                    at = graph.to(link);
                    EXPECT_GT(graph.bandwidth(link), 0) << graph.link_name(link);
                }
                ASSERT_EQ(at, b);
                ASSERT_EQ(way.size(), hops[b]) << a << " to " << b;
            }
    }
}

TEST_P(EveryTopology, CablesWorkBothWaysAndHaveNamesOfTheirOwn) {
    std::set<std::string> names;
    for (LinkId link = 0; link < graph.links(); link += 2) {
        EXPECT_EQ(graph.from(link), graph.to(link + 1));
        EXPECT_EQ(graph.to(link), graph.from(link + 1));
        EXPECT_NE(graph.from(link), graph.to(link));
        EXPECT_EQ(graph.bandwidth(link), graph.bandwidth(link + 1));
        const std::string name = graph.link_name(link);
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(name.substr(name.size() - 4), " out");
        EXPECT_EQ(graph.find_cable(name.substr(0, name.size() - 4)), link);
    }
    std::set<std::string> vertices;
    for (VertexId v = 0; v < graph.vertices(); ++v)
        EXPECT_TRUE(vertices.insert(graph.vertex_name(v)).second) << graph.vertex_name(v);
}

TEST_P(EveryTopology, TheWayBackIsAsLongAndAsSlow) {
    Way there;
    Way back;
    for (std::uint32_t a = 0; a < graph.devices(); ++a)
        for (std::uint32_t b = 0; b < a; ++b) {
            graph.route(a, b, 1, there);
            graph.route(b, a, 1, back);
            EXPECT_EQ(there.size(), back.size());
            EXPECT_NEAR(graph.latency_s(there), graph.latency_s(back), 1e-15);
        }
}

TEST_P(EveryTopology, TheWayToTheHostIsTheWayFromItReversed) {
    Way there;
    Way back;
    for (std::uint32_t d = 0; d < graph.devices(); ++d) {
        graph.host_route(d, true, there);
        graph.host_route(d, false, back);
        ASSERT_EQ(there.size(), back.size());
        VertexId at = d;
        for (std::size_t i = 0; i < there.size(); ++i) {
            EXPECT_EQ(graph.from(there[i]), at);
            at = graph.to(there[i]);
            EXPECT_EQ(there[i] ^ 1U, back[back.size() - 1 - i]);
        }
        if (!there.empty()) {
            EXPECT_EQ(graph.kind(at), VertexKind::host);
        }
    }
}

TEST_P(EveryTopology, SaysWhichDeviceItLacks) {
    Way way;
    EXPECT_THROW(graph.route(0, graph.devices(), 0, way), ExperimentError);
    EXPECT_THROW(graph.route(graph.devices(), 0, 0, way), ExperimentError);
}

std::string test_name(const testing::TestParamInfo<Sample>& info) {
    std::string name;
    for (const char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(Graph, EveryTopology, testing::ValuesIn(testing_samples::all()), test_name);

/// How often flows from device 0 to the last one take each link of a tier.
std::map<LinkId, int> spread_over(const Graph& graph, Tier tier, int flows) {
    std::map<LinkId, int> count;
    Way way;
    for (int f = 0; f < flows; ++f) {
        graph.route(0, graph.devices() - 1, flow_of(0, graph.devices() - 1, static_cast<std::uint32_t>(f)),
                    way);
        for (const LinkId link : way)
            if (graph.tier(link) == tier) ++count[link];
    }
    return count;
}

TEST(Ecmp, SpreadsFlowsEvenlyOverTheSpinesAndCores) {
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph = build_graph(cluster(node(2, 2), 8, FabricKind::fat_tree, 2, 2, 1, Routing::ecmp));
    constexpr int flows = 8000;
    const auto leaves = spread_over(graph, Tier::leaf, flows);
    ASSERT_EQ(leaves.size(), 8U);  // 4 spines, up and down
    // Binomial: mean 2000, standard deviation 39; five of those.
    for (const auto& [link, count] : leaves) EXPECT_NEAR(count, flows / 4, 195) << graph.link_name(link);
    const auto cores = spread_over(graph, Tier::spine, flows);
    ASSERT_EQ(cores.size(), 4U * 2 * 2);  // each spine has 2 cores above it
    for (const auto& [link, count] : cores) EXPECT_NEAR(count, flows / 8, 150) << graph.link_name(link);
}

TEST(Ecmp, OneFlowKeepsItsWay) {
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph = build_graph(cluster(node(2, 2), 8, FabricKind::fat_tree, 2, 2, 1, Routing::ecmp));
    Way first;
    Way second;
    graph.route(0, 15, 7, first);
    graph.route(0, 15, 7, second);
    EXPECT_EQ(first, second);
}

TEST(FixedRouting, GivesEveryDestinationUnderALeafItsOwnSpine) {
    using testing_samples::cluster;
    using testing_samples::node;
    // 4 NICs a leaf, 4 spines: D-mod-k is free of conflicts for any permutation towards one leaf.
    const Graph graph = build_graph(cluster(node(2, 2), 8, FabricKind::fat_tree, 2, 0, 1, Routing::fixed));
    std::set<LinkId> down;
    Way way;
    for (std::uint32_t d = 12; d < 16; ++d) {
        graph.route(d - 12, d, 99, way);
        ASSERT_EQ(way.size(), 6U);
        down.insert(way[3]);
    }
    EXPECT_EQ(down.size(), 4U);
}

TEST(FatTree, HasTheSizeOfAKAryTree) {
    // k = 4 (Al-Fares et al. 2008): k^3/4 = 16 hosts, k^2/2 = 8 edge, 8 aggregation, k^2/4 = 4 core switches.
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph = build_graph(cluster(node(1, 1), 16, FabricKind::fat_tree, 2, 2, 1, Routing::ecmp));
    std::map<VertexKind, int> count;
    for (VertexId v = 0; v < graph.vertices(); ++v) ++count[graph.kind(v)];
    EXPECT_EQ(count[VertexKind::leaf], 8);
    EXPECT_EQ(count[VertexKind::spine], 8);
    EXPECT_EQ(count[VertexKind::core], 4);
}

TEST(RailOptimised, OneRailIsOneSwitchApartOthersMeetInASpine) {
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph = build_graph(cluster(node(4, 4), 4, FabricKind::rail_optimised, 2, 0, 1));
    Way way;
    graph.route(1, 5, 0, way);  // rail 1 to rail 1
    EXPECT_EQ(way.size(), 4U);
    graph.route(1, 6, 0, way);  // rail 1 to rail 2
    EXPECT_EQ(way.size(), 6U);
}

TEST(RailOnly, AnotherRailIsReachedOverNvlinkFirst) {
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph = build_graph(cluster(node(4, 4), 4, FabricKind::rail_only, 4, 0, 1));
    Way way;
    graph.route(1, 6, 0, way);
    std::vector<std::string> names;
    for (const LinkId link : way) names.push_back(graph.link_name(link));
    EXPECT_EQ(names, (std::vector<std::string>{"gpu 1 out", "gpu 2 in", "gpu 2 pcie out", "node 0 nic 2 out",
                                               "node 1 nic 2 in", "gpu 6 pcie in"}));
}

TEST(Sites, TheLongLinkIsPassedOnceAndItsLatencyCounts) {
    using testing_samples::cluster;
    using testing_samples::node;
    Cluster two = cluster(node(2, 2), 8, FabricKind::fat_tree, 2, 0, 1);
    two.fabric.sites = 2;
    two.fabric.site_bandwidth = 10e9;
    two.fabric.site_latency_s = 1e-2;
    const Graph graph = build_graph(two);
    Way way;
    graph.route(0, 15, 0, way);
    int long_links = 0;
    for (const LinkId link : way) long_links += graph.latency_s(link) == 1e-2 ? 1 : 0;
    EXPECT_EQ(long_links, 1);
    graph.route(0, 7, 0, way);  // inside the first site
    for (const LinkId link : way) EXPECT_NE(graph.tier(link), Tier::wan);
}

TEST(Torus, TakesTheShapeThatIsMostNearlyACube) {
    Fabric fabric;
    fabric.kind = FabricKind::torus;
    const auto shape = [&fabric](std::uint32_t chips) { return torus_shape(fabric, chips); };
    using Sides = std::array<std::uint32_t, 3>;
    EXPECT_EQ(shape(64), (Sides{4, 4, 4}));  // TPU v4's slices
    EXPECT_EQ(shape(128), (Sides{4, 4, 8}));
    EXPECT_EQ(shape(512), (Sides{8, 8, 8}));
    EXPECT_EQ(shape(4096), (Sides{16, 16, 16}));
    EXPECT_EQ(shape(8), (Sides{2, 2, 2}));
    fabric.dimensions = 2;
    EXPECT_EQ(shape(256), (Sides{16, 16, 1}));
    fabric.shape = {4, 4, 4};
    EXPECT_THROW(torus_shape(fabric, 65), ExperimentError);
}

TEST(Torus, TwistingShortensTheWays) {
    // Camara et al. 2010: the twisted k x k x 2k torus has a smaller mean distance than the plain one.
    const auto hops = [](bool twisted) {
        const Graph graph = build_graph(testing_samples::torus_of({4, 4, 8}, 3, true, twisted));
        std::size_t sum = 0;
        Way way;
        for (std::uint32_t b = 0; b < graph.devices(); ++b) {
            graph.route(0, b, 0, way);
            sum += way.size();
        }
        return sum;
    };
    EXPECT_LT(hops(true), hops(false));
}

TEST(CustomGraph, ANetworkInPartsSaysSo) {
    Cluster parted = testing_samples::ring_of_switches();
    CustomGraph graph = *parted.custom;
    graph.wires.resize(8);  // the switches are no longer joined
    parted.custom = std::make_shared<const CustomGraph>(graph);
    Way way;
    try {
        build_graph(parted).route(0, 7, 0, way);
        FAIL();
    } catch (const ExperimentError& error) {
        EXPECT_NE(std::string(error.what()).find("gpu 0 to gpu 7"), std::string::npos) << error.what();
    }
}

TEST(Graph, OfSixteenThousandGpusIsCheap) {
    using testing_samples::cluster;
    using testing_samples::node;
    const Graph graph =
        build_graph(cluster(node(8, 8), 2048, FabricKind::rail_optimised, 32, 4, 1, Routing::ecmp));
    EXPECT_EQ(graph.devices(), 16384U);
    Way way;
    way.reserve(16);
    const LinkId* const room = way.data();
    for (std::uint32_t a = 0; a < graph.devices(); a += 7)
        for (std::uint32_t b = 1; b < graph.devices(); b += 1021) graph.route(a, b, flow_of(a, b), way);
    EXPECT_EQ(way.data(), room);  // nothing was allocated
}

}  // namespace
}  // namespace orrery::topologies
