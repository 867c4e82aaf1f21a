#include "sim/cost/collective_calibration.hpp"

#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {
namespace {

TEST(CollectiveCalibration, EveryNodeOfTheZooHasOne) {
    for (const std::string& name : topologies::node_names()) {
        const std::string calibration = topologies::load_node(name).collectives;
        EXPECT_EQ(load_collectives(calibration).name, calibration) << name;
    }
}

TEST(CollectiveCalibration, WritesAndReadsTheSame) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("written-" + std::to_string(::getpid()) + ".yaml");
    for (const std::string& name : collective_calibration_names()) {
        const CollectiveCalibration before = load_collectives(name);
        save_collectives(before, path);
        const CollectiveCalibration after = load_collectives(path.string());
        EXPECT_EQ(to_yaml(before), to_yaml(after)) << name;
        EXPECT_EQ(after.provenance, before.provenance);
    }
}

TEST(CollectiveCalibration, SaysWhereItsFiguresComeFrom) {
    for (const std::string& name : collective_calibration_names())
        EXPECT_FALSE(load_collectives(name).provenance.empty()) << name;
}

TEST(CollectiveCalibration, NamesTheBadKey) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("bad-" + std::to_string(::getpid()) + ".yaml");
    std::string text = to_yaml(ideal_collectives());
    const std::string from = "link_efficiency: 1\n";
    text.replace(text.find(from), from.size(), "link_efficiency: 1.5\n");
    std::ofstream(path) << text;
    try {
        load_collectives(path.string());
        FAIL();
    } catch (const InputError& error) {
        EXPECT_EQ(error.key, "link_efficiency") << error.what();
        EXPECT_GT(error.where.line, 0U);
    }
    EXPECT_THROW(load_collectives("a100-nvswich-ib"), InputError);
}

}  // namespace
}  // namespace orrery::sim
