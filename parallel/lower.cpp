#include "parallel/lower.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "parallel/expert/expert_traffic.hpp"
#include "parallel/pipeline/device_lowering.hpp"
#include "parallel/pipeline/stage_tensors.hpp"
#include "parallel/pipeline_shape.hpp"

namespace orrery::parallel {

using namespace sim;

std::vector<std::int64_t> slice_lengths(const Plan& plan, std::int64_t tokens) {
    if (plan.slices > 1 && !plan.slice_lengths.empty()) return plan.slice_lengths;
    const Parallelism& p = plan.parallel;
    const std::int64_t step = p.sequence_parallel ? p.tp : 1;
    const std::int64_t steps = tokens / step;
    std::vector<std::int64_t> lengths(static_cast<std::size_t>(plan.slices), steps / plan.slices * step);
    for (std::int64_t i = 0; i < steps % plan.slices; ++i) lengths[static_cast<std::size_t>(i)] += step;
    lengths.back() += tokens % step;
    return lengths;
}

namespace {

/// The share of each token slice. A slice's queries attend to all tokens up to its own end.
std::vector<models::LocalShape> local_shapes(const models::Model& model, const Plan& plan) {
    const Parallelism& p = plan.parallel;
    const std::int64_t seq = plan.training.seq_length > 0 ? plan.training.seq_length : model.shape.seq_length;
    std::vector<models::LocalShape> shapes;
    std::int64_t keys = 0;
    for (const std::int64_t length : slice_lengths(plan, seq / p.cp)) {
        models::LocalShape shape;
        shape.batch = plan.training.micro_batch;
        shape.seq = length;
        shape.keys = keys += length;
        shape.sliced = plan.slices > 1;
        shape.tp = p.tp;
        shape.sequence_parallel = p.sequence_parallel && p.tp > 1;
        shape.precision = plan.training.precision;
        shapes.push_back(shape);
    }
    return shapes;
}

void refuse_slices(const models::Model& model, const Plan& plan) {
    if (plan.parallel.cp > 1)
        throw ExperimentError("token slices and context parallelism both divide the sequence; expected cp 1");
    if (!model.shape.towers.empty())
        throw ExperimentError("token slices divide one sequence; the model's towers have one each");
    if (model.shape.experts.count > 0)
        throw ExperimentError(
            "token slices of a mixture of experts: the gating is drawn for whole sequences");
    for (const models::Layer& layer : model.types)
        for (const models::Operator& op : layer.operators)
            if (op.kind == models::OperatorKind::core_attention && !op.causal)
                throw ExperimentError("token slices need causal attention; " + op.name + " of " + layer.name +
                                      " looks ahead");
}

/// A replica that computes no gradient has none to sum with the others.
void refuse_idle_replica(const schedules::Schedule& schedule) {
    std::vector<bool> used(schedule.placement.size(), false);
    for (const std::vector<schedules::Action>& order : schedule.orders)
        for (const schedules::Action& action : order) used[static_cast<std::size_t>(action.direction)] = true;
    if (std::find(used.begin(), used.end(), false) == used.end()) return;
    throw ExperimentError(
        fmt::format("schedule {}: with {} micro-batches one of its two pipelines stands idle; expected more",
                    schedule.name, schedule.micro_batches));
}

/// A loss over the batch has all forwards behind it when its first backward begins.
void refuse_early_backward(const schedules::Schedule& schedule, int stage) {
    for (const std::vector<schedules::Action>& order : schedule.orders) {
        bool backward = false;
        for (const schedules::Action& action : order) {
            if (action.stage != stage) continue;
            if (backward && is_forward(action.kind))
                throw ExperimentError("schedule " + schedule.name +
                                      " begins a backward before the last forward; the model's loss compares "
                                      "all samples of the batch: expected distmm or gpipe");
            backward = backward || sends_gradient(action.kind);
        }
    }
}

void refuse_for_batch_loss(const models::Model& model, const schedules::Schedule& schedule,
                           const std::vector<std::vector<int>>& stage_layers) {
    for (std::size_t stage = 0; stage < stage_layers.size(); ++stage)
        for (const int node : stage_layers[stage]) {
            if (model.layer(node).kind != models::LayerKind::loss) continue;
            if (schedule.placement.size() > 1)
                throw ExperimentError("schedule " + schedule.name +
                                      " divides a batch over two pipelines; the model's loss compares all of "
                                      "its samples: expected distmm or gpipe");
            refuse_early_backward(schedule, static_cast<int>(stage));
        }
}

/// Plans that have no meaning, whatever is lowered.
void refuse(const models::Model& model, const Plan& plan, const schedules::Schedule& schedule) {
    if (plan.slices > 1) refuse_slices(model, plan);
    refuse_idle_replica(schedule);
    if (schedule.synchronous) return;
    const DataSharding sharding = plan.parallel.sharding;
    if (sharding != DataSharding::none && sharding != DataSharding::optimizer)
        throw ExperimentError(
            "schedule " + schedule.name +
            " runs a backward with the weights its forward had; sharded weights are gathered "
            "anew for the backward, and by then are others: expected sharding none or zero-1");
}

/// Model nodes on a pipeline device, in the model's order.
std::vector<int> nodes_on(int device, const schedules::Schedule& schedule,
                          const std::vector<std::vector<int>>& stage_layers) {
    std::vector<int> nodes;
    for (const std::vector<int>& placement : schedule.placement) {
        for (std::size_t stage = 0; stage < stage_layers.size(); ++stage) {
            if (placement[stage] != device) continue;
            nodes.insert(nodes.end(), stage_layers[stage].begin(), stage_layers[stage].end());
        }
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
}

}  // namespace

Lowered lower(const models::Model& model, const Plan& plan, const models::Software& software,
              const schedules::Schedule& schedule, const LowerOptions& options) {
    refuse(model, plan, schedule);
    Lowered lowered;
    lowered.stage_layers = layers_of_stages(model, plan, schedule.stages());
    if (lowered.stage_layers.size() != static_cast<std::size_t>(schedule.stages()))
        throw ExperimentError("the partition does not give every virtual stage its layers");
    refuse_for_batch_loss(model, schedule, lowered.stage_layers);
    const std::vector<LayerPolicy> policies = layer_policies(model, plan, lowered.stage_layers);
    const std::vector<models::LocalShape> shapes = local_shapes(model, plan);
    std::unique_ptr<ExpertTraffic> traffic;
    if (model.shape.experts.count > 0) traffic = std::make_unique<ExpertTraffic>(model, plan, shapes.front());
    Interner interner;
    TrafficMatrices matrices(interner, traffic.get(), plan.experts);
    const int variants = traffic ? traffic->variants() : 1;
    const StageGraph graph(schedule);
    const StageTensors tensors(model, lowered.stage_layers, graph, schedule.name);
    const Transfers transfers(schedule, graph, !plan.parallel.overlap_p2p);
    const Pipeline pipeline{schedule, graph, lowered.stage_layers, policies, transfers};
    std::vector<RankBuilder> ranks(static_cast<std::size_t>(schedule.devices * variants));
    for (int which = 0; which < schedule.devices * variants; ++which) {
        const int device = which / variants;
        const auto index = static_cast<std::size_t>(device);
        ranks[static_cast<std::size_t>(which)].records_meaning = options.meanings;
        RankContext context{model,   plan,     software,
                            options, interner, ranks[static_cast<std::size_t>(which)],
                            device,  graph,    lowered.stage_layers,
                            tensors};
        context.nodes = nodes_on(device, schedule, lowered.stage_layers);
        context.shapes = shapes;
        context.traffic = traffic.get();
        context.traffic_matrices = &matrices;
        context.variant = which % variants;
        if (!schedule.weight_versions.empty()) context.weight_versions = schedule.weight_versions[index];
        context.asynchronous = !schedule.synchronous;
        context.micro_batches_per_update = micro_batches_per_update(plan, schedule);
        lower_device(context, pipeline);
        if (context.variant != 0) continue;
        lowered.device_parameters.push_back(context.device_parameters());
        if (!context.updates.empty()) lowered.period = steady_period(plan, schedule, device, context.updates);
    }
    for (RankBuilder& rank : ranks) {
        rank.finish();
        if (options.meanings) lowered.meanings.push_back(std::move(rank.meaning));
    }
    lowered.program = assemble(plan.parallel, std::move(ranks), variants, std::move(interner), options.fold);
    lowered.experts = std::move(traffic);
    return lowered;
}

}  // namespace orrery::parallel
