#include "topologies/picture.hpp"

#include <gtest/gtest.h>

#include "sample_clusters.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::topologies {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

TEST(Picture, DrawsEverySampleAsOneClosedDocument) {
    for (const auto& sample : testing_samples::all()) {
        const Graph graph = build_graph(sample.cluster);
        const std::string svg = cluster_svg(sample.cluster, graph);
        EXPECT_TRUE(svg.starts_with("<svg ")) << sample.name;
        EXPECT_TRUE(svg.ends_with("</svg>\n")) << sample.name;
        EXPECT_EQ(count(svg, "<text"), count(svg, "</text>")) << sample.name;
        EXPECT_EQ(svg.find("nan"), std::string::npos) << sample.name;
    }
}

TEST(Picture, OfALargeClusterStaysSmallAndSaysWhatItLeavesOut) {
    const Cluster cluster = find_cluster("meta-24k");
    const Graph graph = build_graph(cluster);
    const std::string svg = cluster_svg(cluster, graph);
    EXPECT_LT(svg.size(), 100'000U);
    EXPECT_NE(svg.find("1536 leaf switches"), std::string::npos);
    EXPECT_NE(svg.find("8 drawn"), std::string::npos);
    EXPECT_NE(svg.find("spine 50.8 GB/s"), std::string::npos);
}

TEST(Picture, ARouteIsDrawnFromEndToEnd) {
    const Cluster cluster =
        testing_samples::cluster(testing_samples::node(4, 4), 64, FabricKind::fat_tree, 2, 0, 1);
    const Graph graph = build_graph(cluster);
    Way way;
    graph.route(0, 130, 0, way);
    // NIC, leaf up, leaf down, NIC: the two ends inside the nodes are not drawn.
    EXPECT_EQ(count(cluster_svg(cluster, graph, way), "#c2410c"), 4U);
    EXPECT_EQ(count(cluster_svg(cluster, graph), "#c2410c"), 0U);
}

}  // namespace
}  // namespace orrery::topologies
