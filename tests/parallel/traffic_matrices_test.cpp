// Matrices of exchanges: rings, and dispatch by way of the node.
#include "parallel/traffic_matrices.hpp"

#include <gtest/gtest.h>

namespace orrery::parallel {
namespace {

TEST(TrafficMatrices, SendOnlyToTheNextInARing) {
    const sim::TrafficMatrix ring = ring_matrix(4, 10);
    double all = 0;
    for (const double bytes : ring.bytes) all += bytes;
    EXPECT_EQ(all, 40);
    for (std::uint32_t rank = 0; rank < 4; ++rank) EXPECT_EQ(ring.at(rank, (rank + 1) % 4), 10);
}

/// Two nodes of two ranks, two experts a rank, top-2, every token of rank 0 visiting experts 4 and 5 on rank
/// 2: the network carries each token once, to the sender's own place on the node.
TEST(TrafficMatrices, CrossTheNetworkOncePerNodeWhenHierarchical) {
    models::ExpertShape shape;
    shape.count = 8;
    shape.top_k = 2;
    ExpertPlan plan;
    plan.gating = Gating::measured;
    plan.histogram = {0, 0, 0, 0, 1, 0, 1, 0};  // experts 4 (rank 2) and 6 (rank 3)
    plan.node_ranks = 2;
    const Placement placement = place_experts(plan, 8, 4, popularity(plan, 8, 0));
    const Routing routing = route(shape, plan, placement, 100, 0);
    const sim::TrafficMatrix direct = dispatch_matrix(routing, placement, 1);
    EXPECT_EQ(direct.at(0, 2) + direct.at(0, 3), 200);
    const sim::TrafficMatrix relayed = hierarchical_matrix(routing, 2, 1);
    // Senders 0 and 1 hand over to ranks 2 and 3; nothing else crosses.
    EXPECT_EQ(relayed.at(0, 2), 100);
    EXPECT_EQ(relayed.at(1, 3), 100);
    EXPECT_EQ(relayed.at(0, 3), 0);
    EXPECT_EQ(relayed.at(1, 2), 0);
    // Relay 2 serves senders 0 and 2, and gives rank 3 its copies of both.
    EXPECT_EQ(relayed.at(2, 3), 200);
    EXPECT_EQ(relayed.at(3, 2), 200);
}

}  // namespace
}  // namespace orrery::parallel
