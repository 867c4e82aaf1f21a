// Hierarchical dispatch against DeepEP's published bandwidths (deepseek-ai/DeepEP, README of February 2025):
// H800, 400 Gb/s InfiniBand, 4,096 tokens a rank of 7,168 numbers, 8 of 256 experts on at most 4 nodes, fp8
// dispatch (a scale for every 128 numbers), bf16 combine. A rank's bytes are those of every node that its
// tokens visit, its own included, over the network; on one node, of every rank. Nothing is fitted to them.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "parallel/traffic_matrices.hpp"
#include "sim/cost/collective_cost.hpp"
#include "study/shared_inputs.hpp"
#include "topologies/cluster.hpp"

namespace orrery::study {
namespace {

struct Measured {
    int ranks;
    double dispatch;  ///< bytes/s
    double combine;
};

double predicted(int ranks, bool combine) {
    const int nodes = ranks / 8;
    models::ExpertShape shape;
    shape.count = 256;
    shape.top_k = 8;
    shape.groups = nodes;
    shape.top_groups = std::min(4, nodes);
    parallel::ExpertPlan plan;
    plan.gating = parallel::Gating::random;
    plan.node_ranks = 8;
    const parallel::Placement placement =
        parallel::place_experts(plan, 256, ranks, parallel::popularity(plan, 256, 0));
    const parallel::Routing routing = parallel::route(shape, plan, placement, 4096, 0);
    const double bytes = 7168.0 * (combine ? 2 : 1 + 4.0 / 128);
    sim::TrafficMatrix matrix = parallel::hierarchical_matrix(routing, 8, bytes);
    if (combine) matrix = parallel::transposed(matrix);

    topologies::Cluster cluster = topologies::make_cluster("dgx-h100", nodes);
    cluster.node.gpu_link_bandwidth = 200e9;  // an H800's NVLink
    std::vector<std::uint32_t> devices(static_cast<std::size_t>(ranks));
    std::iota(devices.begin(), devices.end(), 0U);
    const double time =
        sim::price_all_to_all_v(matrix, devices, cluster, *shared_collectives(cluster.node.collectives), {})
            .time_s;
    const std::vector<double>& visits = nodes == 1 ? routing.rank_visits : routing.node_visits;
    return std::accumulate(visits.begin(), visits.end(), 0.0) * bytes / ranks / time;
}

TEST(HierarchicalDispatch, ReachesTheBandwidthsThatDeepEpPublishes) {
    std::vector<double> errors;
    for (const Measured& m : {Measured{8, 153e9, 158e9}, Measured{16, 43e9, 43e9}, Measured{32, 44e9, 47e9},
                              Measured{64, 46e9, 45e9}}) {
        errors.push_back(std::abs(predicted(m.ranks, false) / m.dispatch - 1));
        errors.push_back(std::abs(predicted(m.ranks, true) / m.combine - 1));
    }
    std::ranges::sort(errors);
    EXPECT_LT((errors[3] + errors[4]) / 2, 0.10);  // the median
    EXPECT_LT(errors.back(), 0.35);                // four nodes: the kernels reach less there than on eight
}

}  // namespace
}  // namespace orrery::study
