// Bisection against a plain Ford-Fulkerson on the whole graph, over all halves.
#include "topologies/bisection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <random>

#include "sample_clusters.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

using testing_samples::Sample;

/// Shortest augmenting ways on a matrix of capacities (Edmonds and Karp 1972).
class PlainFlow {
  public:
    PlainFlow(const Graph& graph, const std::vector<bool>& side, bool through_hosts)
        : n(graph.vertices() + 2), capacity(n * n, 0) {
        for (LinkId link = 0; link < graph.links(); ++link) {
            const bool host = graph.kind(graph.from(link)) == VertexKind::host ||
                              graph.kind(graph.to(link)) == VertexKind::host;
            if (!host || through_hosts)
                capacity[graph.from(link) * n + graph.to(link)] += graph.bandwidth(link);
        }
        for (std::uint32_t d = 0; d < graph.devices(); ++d)
            (side[d] ? capacity[(n - 2) * n + d] : capacity[d * n + n - 1]) = 1e18;
    }

    double run() {
        double flow = 0;
        while (true) {
            std::vector<std::size_t> before(n, n);
            std::deque<std::size_t> open{n - 2};
            before[n - 2] = n - 2;
            while (!open.empty() && before[n - 1] == n) {
                const std::size_t at = open.front();
                open.pop_front();
                for (std::size_t next = 0; next < n; ++next)
                    if (before[next] == n && capacity[at * n + next] > 1) {
                        before[next] = at;
                        open.push_back(next);
                    }
            }
            if (before[n - 1] == n) return flow;
            double least = std::numeric_limits<double>::infinity();
            for (std::size_t at = n - 1; at != n - 2; at = before[at])
                least = std::min(least, capacity[before[at] * n + at]);
            for (std::size_t at = n - 1; at != n - 2; at = before[at]) {
                capacity[before[at] * n + at] -= least;
                capacity[at * n + before[at]] += least;
            }
            flow += least;
        }
    }

  private:
    std::size_t n;
    std::vector<double> capacity;
};

class EveryBisection : public testing::TestWithParam<Sample> {
  protected:
    EveryBisection() : graph(build_graph(GetParam().cluster)) {}
    Graph graph;
};

TEST_P(EveryBisection, MaxFlowIsThatOfAPlainAlgorithm) {
    std::mt19937 random(1);
    for (int trial = 0; trial < 12; ++trial) {
        std::vector<bool> side(graph.devices());
        for (std::uint32_t d = 0; d < graph.devices(); ++d)
            side[d] = trial == 0 ? d < graph.devices() / 2 : random() % 2 == 0;
        side[0] = true;
        side[graph.devices() - 1] = false;
        for (const bool through_hosts : {false, true}) {
            const double flow = max_flow(graph, side, through_hosts);
            EXPECT_NEAR(flow, PlainFlow(graph, side, through_hosts).run(), 1e-9 * flow);
        }
    }
}

TEST_P(EveryBisection, HalvingTheDevicesInOrderIsTheWorst) {
    // What bisection_bandwidth takes for granted beyond 16 devices, held where all halves can be tried.
    const Cluster& cluster = GetParam().cluster;
    if (graph.devices() > 16 || cluster.fabric.kind == FabricKind::torus || cluster.nodes == 1 ||
        !cluster.groups.empty())
        return;
    std::vector<bool> side(graph.devices(), false);
    std::fill_n(side.begin(), graph.devices() / 2, true);
    const bool through_hosts = cluster.node.fabric == NodeFabric::pcie;
    EXPECT_NEAR(max_flow(graph, side, through_hosts), bisection_bandwidth(cluster, graph), 1);
}

std::string test_name(const testing::TestParamInfo<Sample>& info) {
    std::string name;
    for (const char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(Bisection, EveryBisection, testing::ValuesIn(testing_samples::all()), test_name);

TEST(Bisection, OfAFatTreeIsItsNicsOverTheOversubscription) {
    using testing_samples::cluster;
    using testing_samples::node;
    const auto of = [](const Cluster& c) { return bisection_bandwidth(c, build_graph(c)); };
    EXPECT_DOUBLE_EQ(of(cluster(node(8, 8), 64, FabricKind::fat_tree, 8, 0, 1)), 32 * 8 * 25e9);
    EXPECT_DOUBLE_EQ(of(cluster(node(8, 8), 64, FabricKind::fat_tree, 8, 0, 4)), 32 * 8 * 25e9 / 4);
    EXPECT_NEAR(of(cluster(node(8, 8), 64, FabricKind::rail_optimised, 8, 0, 4, Routing::ecmp)),
                32 * 8 * 25e9 / 4, 1);
    Cluster thin = cluster(node(8, 8), 64, FabricKind::fat_tree, 8, 4, 1);
    thin.fabric.core_oversubscription = 7;
    EXPECT_NEAR(of(thin), 32 * 8 * 25e9 / 7, 1);
}

TEST(Bisection, OfATorusIsTwiceItsSmallestCrossSection) {
    const Cluster c = testing_samples::torus_of({4, 4, 8}, 3);
    EXPECT_NEAR(bisection_bandwidth(c, build_graph(c)), 2 * 16 * 300e9 / 6, 1);
    const Cluster plain = testing_samples::torus_of({4, 8, 1}, 2, false);
    EXPECT_NEAR(bisection_bandwidth(plain, build_graph(plain)), 4 * 300e9 / 4, 1);
}

TEST(Bisection, OfSeveralSitesIsTheLongLinks) {
    Cluster c = testing_samples::cluster(testing_samples::node(8, 8), 64, FabricKind::fat_tree, 8, 0, 1);
    c.fabric.sites = 2;
    c.fabric.site_bandwidth = 1e9;
    EXPECT_DOUBLE_EQ(bisection_bandwidth(c, build_graph(c)), 1e9);
}

}  // namespace
}  // namespace orrery::topologies
