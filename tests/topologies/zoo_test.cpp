#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "topologies/cluster.hpp"

namespace orrery::topologies {
namespace {

TEST(Zoo, EveryNodeLoadsAndNamesItself) {
    const auto names = node_names();
    EXPECT_GE(names.size(), 15U);
    for (const std::string& name : names) {
        const Node node = load_node(name);
        EXPECT_EQ(node.name, name);
        EXPECT_FALSE(node.gpu.peak_flops.empty()) << name;
        EXPECT_GT(node.gpu.peak_flops.at("bf16"), node.gpu.peak_flops.at("fp32")) << name;
        if (node.nics > 0) {
            EXPECT_EQ(load_fabric(node.fabric_name).name, node.fabric_name);
        }
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
