#include "parallel/traffic_matrices.hpp"

#include <utility>

namespace orrery::parallel {
namespace {

sim::TrafficMatrix empty_matrix(int members) {
    const auto n = static_cast<std::size_t>(members);
    return {static_cast<std::uint32_t>(members), std::vector<double>(n * n, 0.0)};
}

std::size_t entry(int from, int members, int to) {
    return static_cast<std::size_t>(from) * static_cast<std::size_t>(members) + static_cast<std::size_t>(to);
}

sim::TrafficMatrix scaled(sim::TrafficMatrix matrix, double factor) {
    for (double& bytes : matrix.bytes) bytes *= factor;
    return matrix;
}

}  // namespace

sim::TrafficMatrix ring_matrix(int members, double bytes) {
    sim::TrafficMatrix matrix = empty_matrix(members);
    for (int rank = 0; rank < members; ++rank)
        matrix.bytes[entry(rank, members, (rank + 1) % members)] = bytes;
    return matrix;
}

sim::TrafficMatrix hierarchical_matrix(const Routing& routing, int node_ranks, double bytes) {
    const int ranks = routing.senders;
    const int nodes = ranks / node_ranks;
    sim::TrafficMatrix matrix = empty_matrix(ranks);
    for (int sender = 0; sender < ranks; ++sender) {
        for (int node = 0; node < nodes; ++node) {
            const int relay = node * node_ranks + sender % node_ranks;
            if (relay / node_ranks != sender / node_ranks) {
                matrix.bytes[entry(sender, ranks, relay)] +=
                    bytes * routing.node_visits[entry(sender, nodes, node)];
            }
            for (int rank = node * node_ranks; rank < (node + 1) * node_ranks; ++rank) {
                matrix.bytes[entry(relay, ranks, rank)] +=
                    bytes * routing.rank_visits[entry(sender, ranks, rank)];
            }
        }
    }
    return matrix;
}

TrafficMatrices::Made TrafficMatrices::make(const Step& step, int members, int type, int draw) {
    sim::TrafficMatrix matrix;
    if (step.traffic == Step::Traffic::ring) {
        matrix = ring_matrix(members, step.bytes);
    } else if (plan_.dispatcher == Dispatcher::hierarchical) {
        matrix = hierarchical_matrix(traffic_->routing(type, draw), plan_.node_ranks, step.bytes);
    } else {
        matrix = scaled(traffic_->copies(type, draw), step.bytes);
    }
    if (step.traffic == Step::Traffic::combine) matrix = transposed(matrix);
    const double mean = matrix.mean_sent();
    return {interner_.matrix(std::move(matrix)), mean};
}

void TrafficMatrices::apply(sim::Collective& work, const Step& step, int members, int type, int draw) {
    const bool of_experts = step.traffic != Step::Traffic::ring;
    if (of_experts && traffic_->uniform() && plan_.dispatcher == Dispatcher::all_to_all) {
        work.bytes = step.bytes * traffic_->routing(type, draw).sent_by(0);
        return;
    }
    const auto [it, fresh] =
        made_.try_emplace({step.traffic, step.bytes, members, of_experts ? type : -1, draw});
    if (fresh) it->second = make(step, members, type, draw);
    work.kind = sim::CollectiveKind::all_to_all_v;
    work.matrix = it->second.matrix;
    work.bytes = it->second.mean_sent;
}

}  // namespace orrery::parallel
