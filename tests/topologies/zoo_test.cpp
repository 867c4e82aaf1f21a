#include <unistd.h>

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "topologies/bisection.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/cluster.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::topologies {
namespace {

TEST(Zoo, EveryNodeLoadsAndNamesItself) {
    const auto names = node_names();
    EXPECT_GE(names.size(), 15U);
    for (const std::string& name : names) {
        const Node node = load_node(name);
        EXPECT_EQ(node.name, name);
        EXPECT_FALSE(node.gpu.peak_flops.empty()) << name;
        // Half precision is faster than single, where a data sheet has both.
        const auto& peaks = node.gpu.peak_flops;
        for (const char* half : {"bf16", "fp16"})
            if (peaks.contains("fp32") && peaks.contains(half)) {
                EXPECT_GT(peaks.at(half), peaks.at("fp32")) << name;
            }
        if (!node.fabric_name.empty()) {
            EXPECT_EQ(load_fabric(node.fabric_name).name, node.fabric_name);
        }
    }
    for (const std::string& name : fabric_names()) EXPECT_EQ(load_fabric(name).name, name);
}

TEST(Zoo, EveryClusterLoadsAndItsFarthestDevicesReachEachOther) {
    const auto names = cluster_names();
    EXPECT_GE(names.size(), 10U);
    Way way;
    for (const std::string& name : names) {
        EXPECT_EQ(load_zoo_cluster(name).name, name);
        const Cluster cluster = find_cluster(name);
        EXPECT_NO_THROW(check_cluster(cluster, {}, "")) << name;
        const Graph graph = build_graph(cluster);
        graph.route(0, graph.devices() - 1, 0, way);
        EXPECT_EQ(graph.to(way.back()), graph.devices() - 1) << name;
    }
}

TEST(Zoo, ClustersHaveTheSizesThatTheirOperatorsName) {
    EXPECT_EQ(find_cluster("eos").devices(), 4608);
    EXPECT_EQ(find_cluster("dgx-a100-superpod").devices(), 1120);
    EXPECT_EQ(find_cluster("meta-24k").devices(), 24576);
    EXPECT_EQ(find_cluster("alibaba-hpn").devices(), 15360);
    EXPECT_EQ(find_cluster("gb200-superpod").devices(), 576);
    EXPECT_EQ(find_cluster("tpu-v4-pod").devices(), 4096);
    EXPECT_EQ(find_cluster("eos", 2).devices(), 16);
    EXPECT_EQ(find_cluster("dgx-h100", 3).devices(), 24);
}

TEST(Zoo, BisectionsAreThoseThatWerePublished) {
    const auto of = [](const char* name) {
        const Cluster cluster = find_cluster(name);
        return bisection_bandwidth(cluster, build_graph(cluster));
    };
    // Google Cloud documentation: 24 TB/s a pod; 2 x 16 x 16 links of 50 GB/s make 25.6 TB/s.
    EXPECT_NEAR(of("tpu-v4-pod"), 24e12, 0.07 * 24e12);
    // Grattafiori et al. 2024: full bisection in a pod, a seventh of it between pods.
    EXPECT_NEAR(of("meta-24k"), 12288 * 50e9 / 7, 1e6);
}

TEST(Zoo, AnUnknownClusterNamesTheNearestOfNodesAndClusters) {
    for (const auto& [written, meant] : {std::pair{"eoss", "eos"}, std::pair{"dgx-h10", "dgx-h100"}}) {
        try {
            find_cluster(written);
            FAIL();
        } catch (const InputError& error) {
            EXPECT_NE(std::string(error.what()).find(std::string("did you mean '") + meant),
                      std::string::npos)
                << error.what();
        }
    }
}

TEST(Zoo, EveryGpuOfADgx1HasAsManyLinksAsItsDataSheetSays) {
    for (const auto& [name, links] :
         {std::pair{"dgx-1-v100", 6}, std::pair{"aws-p3", 6}, std::pair{"dgx-1-p100", 4}}) {
        std::array<int, 8> count{};
        for (const MeshCable& cable : load_node(name).mesh) {
            count[static_cast<std::size_t>(cable.a)] += cable.links;
            count[static_cast<std::size_t>(cable.b)] += cable.links;
        }
        for (const int c : count) EXPECT_EQ(c, links) << name;
    }
}

TEST(Zoo, GpuPeaksFollowFromTheirMultiprocessorsAndClock) {
    // Dense bf16 FLOP per clock and SM: 2048 (Ampere), 4096 (Hopper), 8192 (Blackwell).
    const auto per_clock = [](const char* node) {
        const Gpu gpu = load_node(node).gpu;
        return gpu.peak_flops.at("bf16") / (gpu.multiprocessors * gpu.clock_hz);
    };
    EXPECT_NEAR(per_clock("dgx-a100"), 2048, 5);
    EXPECT_NEAR(per_clock("dgx-h100"), 4096, 5);
    EXPECT_NEAR(per_clock("dgx-b200"), 8192, 10);
}

TEST(Zoo, DgxA100IsAsItsDataSheetSays) {
    const Cluster cluster = make_cluster("dgx-a100", 4);
    EXPECT_EQ(cluster.devices(), 32);
    EXPECT_EQ(cluster.node_of(17), 2);
    EXPECT_EQ(cluster.node.gpu.name, "a100-sxm-80g");
    EXPECT_EQ(cluster.node.gpu.multiprocessors, 108);
    EXPECT_DOUBLE_EQ(cluster.node.gpu_link_bandwidth, 300e9);
    EXPECT_DOUBLE_EQ(cluster.node.nics * cluster.node.nic_bandwidth * 8, 1600e9);
    EXPECT_EQ(cluster.fabric.name, "superpod-a100");
}

TEST(Zoo, UnknownNodeNamesTheNearest) {
    try {
        load_node("dgx-a10");
        FAIL();
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("did you mean 'dgx-a100'"), std::string::npos)
            << error.what();
    }
}

TEST(Zoo, AClusterWithoutNicsHasOneNode) {
    EXPECT_EQ(make_cluster("workstation-rtx-4090", 1).devices(), 1);
    EXPECT_THROW(make_cluster("workstation-rtx-4090", 2), InputError);
    EXPECT_THROW(make_cluster("dgx-a100", 0), InputError);
}

class BadZooFile : public testing::Test {
  protected:
    /// Writes a dgx-a100 with one line replaced and returns what loading it says.
    static std::string message(const std::string& from, const std::string& to) {
        std::ifstream good(std::string(ORRERY_SOURCE_DIR) + "/topologies/zoo/dgx-a100.yaml");
        std::string text((std::istreambuf_iterator<char>(good)), {});
        const auto at = text.find(from);
        EXPECT_NE(at, std::string::npos);
        text.replace(at, from.size(), to);
        const auto path =
            std::filesystem::path(testing::TempDir()) / ("bad-node-" + std::to_string(::getpid()) + ".yaml");
        std::ofstream(path) << text;
        try {
            load_node(path.string());
        } catch (const InputError& error) {
            return error.what();
        }
        return "";
    }
};

TEST_F(BadZooFile, NamesTheKeyOfAFigureThatCannotBe) {
    const auto text = message("pcie_bandwidth: {value: 31.5e9", "pcie_bandwidth: {value: -1");
    EXPECT_NE(text.find("pcie_bandwidth.value"), std::string::npos) << text;
    EXPECT_NE(text.find(".yaml:15"), std::string::npos) << text;
}

TEST_F(BadZooFile, WantsASourceBesideEveryFigure) {
    const auto text = message("nics: {value: 8, source: dgx}", "nics: {value: 8}");
    EXPECT_NE(text.find("nics.source"), std::string::npos) << text;
}

TEST_F(BadZooFile, NamesASourceThatIsNotListed) {
    const auto text = message("{value: 300e9, source: nvlink}", "{value: 300e9, source: nvlnk}");
    EXPECT_NE(text.find("did you mean 'nvlink'"), std::string::npos) << text;
}

TEST_F(BadZooFile, NamesTheNearestGpu) {
    const auto text = message("gpu: a100-sxm-80g", "gpu: a100-smx-80g");
    EXPECT_NE(text.find("did you mean 'a100-sxm-80g'"), std::string::npos) << text;
}

TEST_F(BadZooFile, WantsALinkBetweenSeveralGpus) {
    const auto text = message("gpu_link_bandwidth: {value: 300e9, source: nvlink}", "");
    EXPECT_NE(text.find("gpu_link_bandwidth"), std::string::npos) << text;
}

}  // namespace
}  // namespace orrery::topologies
