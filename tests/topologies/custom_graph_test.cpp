#include "topologies/custom_graph.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

constexpr const char* kTwoLeaves = R"(
switches: [leaf 0..1, spine]
links:
  - {from: gpu 0..3, to: leaf 0, bandwidth: 50e9, latency_s: 1e-6, tier: nic}
  - {from: gpu 4..7, to: leaf 1, bandwidth: 50e9, latency_s: 1e-6, tier: nic}
  - {from: leaf 0..1, to: spine, bandwidth: 100e9, bandwidth_back: 80e9}
)";

Graph graph_of(const std::string& text, int devices = 8) {
    Cluster cluster;
    cluster.name = "custom";
    cluster.node.gpus = devices;
    cluster.custom =
        std::make_shared<const CustomGraph>(read_custom_graph(yaml::parse(text, "g.yaml"), "", devices));
    return build_graph(cluster);
}

std::string mistake(const std::string& text) {
    try {
        graph_of(text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "";
}

TEST(CustomGraphFile, RangesJoinEachWithEach) {
    const Graph graph = graph_of(kTwoLeaves);
    EXPECT_EQ(graph.links(), 2U * (8 + 2));
    Way way;
    graph.route(0, 7, 0, way);
    std::vector<std::string> names;
    for (const LinkId link : way) names.push_back(graph.link_name(link));
    EXPECT_EQ(names, (std::vector<std::string>{"gpu 0 - leaf 0 out", "leaf 0 - spine out",
                                               "leaf 1 - spine in", "gpu 7 - leaf 1 in"}));
    EXPECT_EQ(graph.bandwidth(way[1]), 100e9);
    EXPECT_EQ(graph.bandwidth(way[2]), 80e9);
}

TEST(CustomGraphFile, TheMetricDecidesOverTheHops) {
    const Graph graph = graph_of(R"(
switches: [a, b, c]
links:
  - {from: gpu 0, to: a, bandwidth: 1e9}
  - {from: gpu 1, to: c, bandwidth: 1e9}
  - {from: a, to: c, bandwidth: 1e9, metric: 5}
  - {from: a, to: b, bandwidth: 1e9}
  - {from: b, to: c, bandwidth: 1e9}
)",
                                 2);
    Way way;
    graph.route(0, 1, 0, way);
    EXPECT_EQ(way.size(), 4U);
}

TEST(CustomGraphFile, MistakesNamePlaceAndNearestName) {
    EXPECT_NE(mistake("switches: [leaf]\nlinks: [{from: gpu 0, to: laef, bandwidth: 1}]")
                  .find("did you mean 'leaf'"),
              std::string::npos);
    EXPECT_NE(mistake("links: [{from: gpu 0, to: gpu 8, bandwidth: 1}]").find("links[0].to"),
              std::string::npos);
    EXPECT_NE(mistake("switches: [a, a]\nlinks: []").find("twice"), std::string::npos);
    EXPECT_NE(mistake("links: [{from: gpu 0, to: gpu 0, bandwidth: 1}]").find("itself"), std::string::npos);
    EXPECT_NE(mistake("links: [{from: gpu 0, to: gpu 1, bandwidth: 0}]").find("bandwidth"),
              std::string::npos);
}

}  // namespace
}  // namespace orrery::topologies
