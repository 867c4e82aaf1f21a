#include "parallel/expert/expert_traffic.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::parallel {
namespace {

/// Tokens that a rank routes in a layer: those that its norms handle.
std::int64_t routed_tokens(const models::Layer& layer, const models::LocalShape& shape) {
    const auto router =
        std::ranges::find(layer.operators, models::OperatorKind::router, &models::Operator::kind);
    const double seq = std::round(static_cast<double>(shape.seq) * router->token_share);
    const double tokens = static_cast<double>(shape.batch) * seq;
    return std::llround(shape.sequence_parallel ? tokens / shape.tp : tokens);
}

}  // namespace

ExpertTraffic::ExpertTraffic(const models::Model& model, const Plan& plan, const models::LocalShape& shape)
    : uniform_(plan.experts.uniform() || plan.parallel.ep == 1),
      ranks_(plan.parallel.ep),
      etp_(plan.parallel.expert_tp()) {
    const models::ExpertShape& experts = model.shape.experts;
    const bool one = plan.experts.gating == Gating::balanced;
    const int draws = one ? 1 : plan.experts.draws;
    for (int draw = 0; draw < draws; ++draw) {
        placements_.push_back(place_experts(plan.experts, experts.count, ranks_,
                                            popularity(plan.experts, experts.count, draw)));
    }
    for (std::size_t type = 0; type < model.types.size(); ++type) {
        const models::Layer& layer = model.types[type];
        if (!layer.has_experts()) continue;
        std::vector<Routing>& routings = routings_[static_cast<int>(type)];
        std::vector<sim::TrafficMatrix>& matrices = matrices_[static_cast<int>(type)];
        for (int draw = 0; draw < draws; ++draw) {
            const Placement& placement = placements_[static_cast<std::size_t>(draw)];
            routings.push_back(route(experts, plan.experts, placement, routed_tokens(layer, shape), draw));
            matrices.push_back(dispatch_matrix(routings.back(), placement, 1));
        }
    }
}

models::ExpertShare ExpertTraffic::share(int type, int draw, int rank) const {
    const Placement& placement = placements_[static_cast<std::size_t>(draw)];
    const Routing& routing = routings_.at(type)[static_cast<std::size_t>(draw)];
    models::ExpertShare share;
    share.etp = etp_;
    share.local = placement.slots_per_rank();
    share.sent = routing.sent_by(rank);
    share.received = etp_ * routing.received_by(rank, placement);
    return share;
}

}  // namespace orrery::parallel
