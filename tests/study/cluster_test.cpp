// `cluster:`, what it makes and how it says no.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "study/experiment.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::study {
namespace {

Experiment read(const std::string& cluster, const std::string& rest = "") {
    return parse_experiment(
        "model: mpt-125m\ncluster: " + cluster + "\n" + rest + "training: {global_batch: 61440}\n", "c.yaml");
}

std::string mistake(const std::string& cluster, const std::string& rest = "") {
    try {
        read(cluster, rest);
    } catch (const InputError& error) {
        return error.what();
    }
    return "";
}

TEST(ClusterKeys, AWholeClusterOfTheZooBringsItsNodesAndFabric) {
    const Experiment all = read("dgx-h100-superpod");
    EXPECT_EQ(all.cluster.devices(), 1024);
    EXPECT_EQ(all.cluster.fabric.kind, topologies::FabricKind::rail_optimised);
    EXPECT_EQ(read("{node: dgx-h100-superpod, nodes: 2}").cluster.devices(), 16);
    EXPECT_EQ(read("{node: dgx-h100-superpod, gpus: 16}").cluster.devices(), 16);
}

TEST(ClusterKeys, AFabricIsANameOrAMapOverOne) {
    EXPECT_EQ(read("{node: dgx-h100, nodes: 4, fabric: rail-only}").cluster.fabric.kind,
              topologies::FabricKind::rail_only);
    const auto fabric =
        read(
            "{node: dgx-h100, nodes: 4, fabric: {base: roce-clos, kind: rail-optimised, routing: ecmp, "
            "nodes_per_leaf: 2, core_oversubscription: 3}}")
            .cluster.fabric;
    EXPECT_EQ(fabric.kind, topologies::FabricKind::rail_optimised);
    EXPECT_EQ(fabric.routing, topologies::Routing::ecmp);
    EXPECT_EQ(fabric.nodes_per_leaf, 2);
    EXPECT_EQ(fabric.core_oversubscription, 3);
    EXPECT_EQ(fabric.switch_latency_s, 8e-7);  // of roce-clos
}

TEST(ClusterKeys, GroupsMayDifferInGpusAndNics) {
    const auto cluster =
        read("{groups: [{node: dgx-h100, nodes: 2}, {node: hgx-h100-roce, nodes: 1}]}").cluster;
    EXPECT_EQ(cluster.devices(), 24);
    EXPECT_EQ(cluster.node_of(17), 2);
    EXPECT_EQ(cluster.node_at(17).name, "hgx-h100-roce");
    const auto gpus = read("{groups: [{node: dgx-h100, gpus: 2}, dgx-a100]}").cluster;
    EXPECT_EQ(gpus.devices(), 10);
    EXPECT_EQ(gpus.kind_index(1), 0U);
    EXPECT_EQ(gpus.kind_index(2), 1U);
    EXPECT_EQ(gpus.groups[0].node.nics, 2);
    EXPECT_EQ(gpus.common_gpus_per_node(), 2);
    EXPECT_NE(mistake("{node: dgx-h100, groups: [dgx-a100]}").find("cluster.groups"), std::string::npos);
    EXPECT_NE(mistake("{nodes: 2}").find("expected node or groups"), std::string::npos);
}

TEST(ClusterKeys, AGraphOfOnesOwnNeedsAnEngineThatMovesMessages) {
    const std::string graph =
        "{node: dgx-h100, graph: {switches: [s], links: [{from: gpu 0..7, to: s, bandwidth: 50e9}]}}";
    EXPECT_NE(mistake(graph).find("cluster.graph"), std::string::npos);
    const auto cluster = read(graph, "engine: simgrid\n").cluster;
    EXPECT_EQ(topologies::build_graph(cluster).links(), 16U);
}

TEST(ClusterKeys, ADegradedPartMustBeThere) {
    EXPECT_NE(mistake("{node: dgx-h100, nodes: 2, degrade: [{link: node 1 nic 9}]}").find("node 1 nic"),
              std::string::npos);
    EXPECT_NE(mistake("{node: dgx-h100, nodes: 2, degrade: [{gpu: 16}]}").find("0 to 15"), std::string::npos);
    EXPECT_NE(mistake("{node: dgx-h100, degrade: [{factor: 0.5}]}").find("cluster.degrade"),
              std::string::npos);
}

TEST(ClusterKeys, ATorusTakesChipsAndAShapeThatHoldsThem) {
    const auto cluster = [](const std::string& fabric) {
        return "{node: tpu-v4, nodes: 16, fabric: " + fabric + "}";
    };
    const std::string calibration = "calibration: a100-sxm-80g\n";
    EXPECT_EQ(read(cluster("{shape: [4, 4, 4]}"), calibration).cluster.fabric.shape, (std::array{4, 4, 4}));
    EXPECT_NE(mistake(cluster("{shape: [4, 4, 5]}"), calibration).find("80 chips"), std::string::npos);
    EXPECT_NE(mistake(cluster("roce-clos"), calibration).find("joined by a torus"), std::string::npos);
    EXPECT_NE(mistake("{node: dgx-h100, nodes: 2, fabric: tpu-v4-torus}").find("ICI"), std::string::npos);
}

TEST(ClusterKeys, SeveralSitesNeedALinkBetweenThem) {
    EXPECT_NE(mistake("{node: dgx-h100, nodes: 2, fabric: {sites: 2}}").find("site_bandwidth"),
              std::string::npos);
    EXPECT_EQ(
        read("{node: dgx-h100, nodes: 2, fabric: {sites: 2, site_bandwidth: 1e9}}").cluster.fabric.sites, 2);
}

}  // namespace
}  // namespace orrery::study
