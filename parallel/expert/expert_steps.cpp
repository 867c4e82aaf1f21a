#include "parallel/expert/expert_steps.hpp"

namespace orrery::parallel {
namespace {

double copy_bytes(const models::Operator& op, const models::LocalShape& shape) {
    return shape.element() * static_cast<double>(op.in_features);
}

void exchange(std::vector<Step>& steps, Step::Traffic traffic, double bytes) {
    Step step{.kind = Step::Kind::collective};
    step.collective = sim::CollectiveKind::all_to_all;
    step.bytes = bytes;
    step.role = RoleKind::ep;
    step.traffic = traffic;
    steps.push_back(step);
    steps.push_back({.kind = Step::Kind::wait});
}

/// All copies that the ranks dividing an expert work on together.
void over_expert_ranks(std::vector<Step>& steps, sim::CollectiveKind kind, double bytes) {
    Step step{.kind = Step::Kind::collective};
    step.collective = kind;
    step.bytes = bytes;
    step.role = RoleKind::etp;
    steps.push_back(step);
    steps.push_back({.kind = Step::Kind::wait});
}

}  // namespace

std::vector<Step> dispatch_steps(const models::Operator& op, const models::LocalShape& shape,
                                 const Parallelism& plan) {
    std::vector<Step> steps;
    const double bytes = copy_bytes(op, shape);
    if (plan.ep > 1) exchange(steps, Step::Traffic::dispatch, bytes);
    if (plan.expert_tp() > 1) {
        over_expert_ranks(steps, sim::CollectiveKind::all_gather, bytes * shape.experts.received);
    }
    return steps;
}

std::vector<Step> combine_steps(const models::Operator& op, const models::LocalShape& shape,
                                const Parallelism& plan) {
    std::vector<Step> steps;
    const double bytes = copy_bytes(op, shape);
    if (plan.expert_tp() > 1) {
        over_expert_ranks(steps, sim::CollectiveKind::reduce_scatter, bytes * shape.experts.received);
    }
    if (plan.ep > 1) exchange(steps, Step::Traffic::combine, bytes);
    return steps;
}

}  // namespace orrery::parallel
