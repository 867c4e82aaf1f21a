#include "sim/engine/degradation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::sim {
namespace {

TEST(Degradation, ACableIsSlowBothWaysAndAGpuAStragglerOrAFault) {
    topologies::Cluster cluster = topologies::find_cluster("dgx-h100", 2);
    cluster.degradations = {
        {"node 1 nic 2", -1, 0.5, 0.25}, {"", 3, 0, 0.5}, {"", 4, 1.5, 0.5}, {"", 5, 2, 0}};
    const Network network(cluster);
    const Disturbances all = disturbances_of(cluster, network);
    ASSERT_EQ(all.link_faults.size(), 2U);
    EXPECT_EQ(network.link(all.link_faults[0].link).name, "node 1 nic 2 out");
    EXPECT_EQ(network.link(all.link_faults[1].link).name, "node 1 nic 2 in");
    for (const LinkFault& fault : all.link_faults) {
        EXPECT_EQ(fault.at_s, 0.5);
        EXPECT_EQ(fault.factor, 0.25);
    }
    ASSERT_EQ(all.stragglers.size(), 1U);
    EXPECT_EQ(all.stragglers[0].device, 3U);
    EXPECT_EQ(all.stragglers[0].slowdown, 2);
    ASSERT_EQ(all.device_faults.size(), 2U);
    EXPECT_EQ(all.device_faults[0].slowdown, 2);
    EXPECT_TRUE(std::isinf(all.device_faults[1].slowdown));
    cluster.degradations = {{"node 9 nic 0", -1, 0, 0.5}};
    EXPECT_THROW(disturbances_of(cluster, network), ExperimentError);
}

}  // namespace
}  // namespace orrery::sim
