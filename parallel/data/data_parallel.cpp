#include "parallel/data/data_parallel.hpp"

#include <algorithm>
#include <utility>

namespace orrery::parallel {

using namespace sim;

namespace {

/// Tells the tied embedding's own stream from other dp streams.
constexpr int kTiedStream = -1;

/// Bytes of a weight as the kernels read it.
double weight_bytes(const RankContext& c) {
    return c.element();
}

}  // namespace

void DataParallel::hold(double parameters, double parameter_shards, double gradient_shards,
                        double state_shards) {
    auto& held = context_.rank.program.static_bytes;
    const double gradient = bytes_of(context_.software.gradient_accumulation);
    // Adam: fp32 main weight, momentum, variance. A main weight in fp32 training is the weight itself.
    const double state = context_.plan.training.precision == Precision::fp32 ? 8 : 12;
    held[static_cast<std::size_t>(MemoryKind::parameters)] +=
        parameters * weight_bytes(context_) * context_.weight_versions / parameter_shards;
    held[static_cast<std::size_t>(MemoryKind::gradients)] += parameters * gradient / gradient_shards;
    held[static_cast<std::size_t>(MemoryKind::optimizer_state)] += parameters * state / state_shards;
}

double DataParallel::dense_parameters() const {
    return context_.device_parameters() - expert_parameters();
}

double DataParallel::expert_parameters() const {
    return context_.experts_apart() ? context_.device_expert_parameters() : 0;
}

TaskId DataParallel::optimizer_step(double parameters, std::span<const TaskId> after) {
    RankContext& c = context_;
    const models::Software& s = c.software;
    // A first pass (unscaling, overflow check, norm) precedes the decision to step; then the update.
    const double gradient = bytes_of(s.gradient_accumulation);
    const double checks = std::min(2 * gradient, s.optimizer_bytes_per_parameter);
    const TaskLabel norm_label = c.label(Phase::optimizer, "gradient norm");
    c.compute({pass_over(MemoryFamily::optimizer, checks * parameters, s.optimizer_kernels / 2.0)},
              norm_label, after, s.optimizer_host_sync ? kHostWaits : 0);
    Kernel host{.kind = KernelKind::host_only};
    host.host_operations = s.host.step;
    const TaskId updated = c.compute(
        {host, pass_over(MemoryFamily::optimizer, (s.optimizer_bytes_per_parameter - checks) * parameters,
                         s.optimizer_kernels / 2.0)},
        c.label(Phase::optimizer, "optimizer"));
    c.rank.mean({.effect = Effect::update});
    return updated;
}

TaskId DataParallel::tied_embedding_reduce(TaskId after, double shards) {
    RankContext& c = context_;
    const std::vector<int> holders = c.embedding_holders();
    if (holders.size() < 2 || std::find(holders.begin(), holders.end(), c.device) == holders.end()) return {};
    const double parameters =
        models::local_parameters(c.model.types[0].operators[0], c.plan.parallel.tp, c.software) / shards;
    const Collective work{CollectiveKind::all_reduce, c.reduction_element() * parameters,
                          c.interner.group(c.counterparts(holders)), c.software.host.collective};
    const StreamId stream = c.rank.stream(StreamKind::dp, -1, c.asynchronous ? kTiedStream : 0);
    const TaskId reduced = c.rank.add_operation(
        stream, c.interner.work(work), c.rank.slot({RoleKind::tied_embedding}),
        c.label(Phase::gradient_reduce, "tied embedding gradient"), {after, c.last_compute});
    c.rank.mean({.effect = Effect::reduce_table});
    return reduced;
}

namespace {

/// Of the operator, on a tensor-parallel rank: has each rank a summand of its weights' gradient?
bool gradient_is_partial(const models::Operator& op, bool sequence_parallel) {
    if (op.kind == models::OperatorKind::head_norm) return true;
    return sequence_parallel && op.split == models::Split::replicated && op.parameters() > 0;
}

}  // namespace

TaskId DataParallel::partial_gradient_reduce(std::span<const TaskId> after, double shards) {
    RankContext& c = context_;
    if (c.plan.parallel.tp == 1) return {};
    double parameters = 0;
    Meaning meaning{.effect = Effect::reduce_partial};
    for (const int node : c.nodes) {
        const std::vector<models::Operator>& operators = c.model.layer(node).operators;
        for (int op = 0; op < static_cast<int>(operators.size()); ++op) {
            const models::Operator& it = operators[static_cast<std::size_t>(op)];
            if (!gradient_is_partial(it, c.shapes.front().sequence_parallel)) continue;
            parameters += it.parameters();
            meaning.operators.emplace_back(node, op);
        }
    }
    if (parameters == 0) return {};
    const TaskId reduced =
        c.collective(StreamKind::tp, {RoleKind::tp}, CollectiveKind::all_reduce,
                     c.reduction_element() * parameters / shards, c.tp_group(),
                     c.label(Phase::gradient_reduce, "gradients of undivided weights"), c.last_compute);
    for (const TaskId task : after) c.rank.depend(task);
    c.rank.mean(std::move(meaning));
    return reduced;
}

std::unique_ptr<DataParallel> make_data_parallel(RankContext& context) {
    switch (context.plan.parallel.sharding) {
        case DataSharding::none:
        case DataSharding::optimizer:
            return make_replicated(context);
        case DataSharding::gradients:
        case DataSharding::full:
        case DataSharding::hybrid:
            return make_fully_sharded(context);
    }
    return make_replicated(context);
}

}  // namespace orrery::parallel
