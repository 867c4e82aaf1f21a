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

TEST(Picture, HeatIsDrawnAtTheBusiestLinksInTheShadesOfThePage) {
    const Cluster cluster = find_cluster("dgx-h100", 40);
    const Graph graph = build_graph(cluster);
    ClusterHeat heat;
    heat.links.resize(graph.links());
    heat.darkest = "34% of the step";
    const auto nic = graph.find_cable("node 37 nic 2");
    ASSERT_TRUE(nic.has_value());
    heat.links[*nic] = {1, "node 37 nic 2 out: 5 GB"};
    const auto gpu = graph.find_cable("gpu 83");  // of node 10
    ASSERT_TRUE(gpu.has_value());
    heat.links[*gpu] = {0.42, "gpu 83 out: 1 GB & more"};
    const std::string svg = cluster_heat_svg(cluster, graph, heat);
    EXPECT_NE(svg.find(">node 37<"), std::string::npos);  // one of 8 that are drawn, of 40
    EXPECT_NE(svg.find(">inside node 10<"), std::string::npos);
    EXPECT_NE(svg.find("<title>node 37 nic 2 out: 5 GB</title>"), std::string::npos);
    EXPECT_NE(svg.find("gpu 83 out: 1 GB &amp; more"), std::string::npos);
    EXPECT_NE(svg.find("34% of the step"), std::string::npos);
    EXPECT_EQ(count(svg, "stroke:var(--h10)"), 1U);
    EXPECT_EQ(count(svg, "stroke:var(--h5)"), 1U);  // 0.42 of the shades, rounded up
    EXPECT_EQ(count(svg, "#"), 0U);                 // no colour that the page's theme cannot change
    // Without heat there is nothing of it.
    EXPECT_EQ(count(cluster_svg(cluster, graph), "var("), 0U);
}

}  // namespace
}  // namespace orrery::topologies
