#include "study/flops.hpp"

#include "parallel/layer_policy.hpp"

namespace orrery::study {
namespace {

using models::Layer;
using models::OperatorKind;

/// [stage] share of its micro-batches whose forward the schedule itself runs again.
std::vector<double> repeated_by_schedule(const schedules::Schedule& schedule) {
    std::vector<double> share(static_cast<std::size_t>(schedule.stages()), 0);
    const double each = 1.0 / (static_cast<double>(schedule.micro_batches) * schedule.slices);
    for (const std::vector<schedules::Action>& order : schedule.orders)
        for (const schedules::Action& action : order)
            if (action.kind == schedules::ActionKind::recompute)
                share[static_cast<std::size_t>(action.stage)] += each;
    return share;
}

double forward_of(const Layer& layer, std::int64_t seq) {
    double sum = 0;
    for (const models::Operator& op : layer.operators) sum += models::forward_flops(op, seq, false);
    return sum;
}

/// What selective recomputation repeats of a block: see models::SelectivePolicy.
double selectively_repeated(const Layer& layer, std::int64_t seq, models::SelectivePolicy policy) {
    double sum = 0;
    int products = 0;
    for (const models::Operator& op : layer.operators) {
        const bool attention = op.kind == OperatorKind::core_attention;
        const bool repeated = policy == models::SelectivePolicy::core_attention
                                  ? attention
                                  : op.kind == OperatorKind::linear && products++ % 2 == 1;
        if (repeated) sum += models::forward_flops(op, seq, false);
    }
    return sum;
}

}  // namespace

StepFlops step_flops(const models::Model& model, const parallel::Plan& plan, const models::Software& software,
                     const schedules::Schedule& schedule, const std::vector<std::vector<int>>& stage_layers) {
    const parallel::Training& training = plan.training;
    const std::int64_t seq = training.seq_length > 0 ? training.seq_length : model.shape.seq_length;
    const auto sequences = static_cast<double>(training.global_batch);
    StepFlops flops;
    flops.model = sequences * models::model_flops_per_sequence(model, seq, false);
    const auto policies = parallel::layer_policies(model, plan, stage_layers);
    const std::vector<double> repeated = repeated_by_schedule(schedule);
    for (std::size_t stage = 0; stage < stage_layers.size(); ++stage) {
        for (const int node : stage_layers[stage]) {
            const Layer& layer = model.layer(node);
            const std::int64_t tokens = layer.tokens_of(seq);
            const parallel::RecomputePolicy policy = policies[static_cast<std::size_t>(node)].recompute;
            const bool full = policy == parallel::RecomputePolicy::full;
            flops.recomputed += (full ? 1 : repeated[stage]) * forward_of(layer, tokens);
            if (policy == parallel::RecomputePolicy::selective)
                flops.recomputed += selectively_repeated(layer, tokens, software.selective);
        }
    }
    flops.recomputed *= sequences;
    return flops;
}

}  // namespace orrery::study
