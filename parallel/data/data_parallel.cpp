#include "parallel/data/data_parallel.hpp"

#include <algorithm>

namespace orrery::parallel {

using namespace sim;

namespace {

/// Bytes of a weight as the kernels read it.
double weight_bytes(const RankContext& c) {
    return c.shape.element();
}

}  // namespace

void DataParallel::hold(double parameters, double parameter_shards, double gradient_shards,
                        double state_shards) {
    auto& held = context_.rank.program.static_bytes;
    const double gradient = bytes_of(context_.software.gradient_accumulation);
    // Adam: fp32 main weight, momentum, variance. A main weight in fp32 training is the weight itself.
    const double state = context_.plan.training.precision == Precision::fp32 ? 8 : 12;
    held[static_cast<std::size_t>(MemoryKind::parameters)] +=
        parameters * weight_bytes(context_) / parameter_shards;
    held[static_cast<std::size_t>(MemoryKind::gradients)] += parameters * gradient / gradient_shards;
    held[static_cast<std::size_t>(MemoryKind::optimizer_state)] += parameters * state / state_shards;
}

TaskId DataParallel::optimizer_step(double parameters, TaskId after) {
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
    return c.compute(
        {host, pass_over(MemoryFamily::optimizer, (s.optimizer_bytes_per_parameter - checks) * parameters,
                         s.optimizer_kernels / 2.0)},
        c.label(Phase::optimizer, "optimizer"));
}

TaskId DataParallel::tied_embedding_reduce(TaskId after) {
    RankContext& c = context_;
    const Parallelism& p = c.plan.parallel;
    const bool first = c.device == 0;
    const bool last = c.device == p.pp - 1;
    if (p.pp == 1 || !c.model.shape.tied_embeddings || !(first || last)) return after;
    const double bytes =
        c.reduction_element() * models::local_parameters(c.model.types[0].operators[0], p.tp, c.software);
    const std::vector<std::uint32_t> devices = {device_of(p, {0, 0, 0, 0}),
                                                device_of(p, {0, 0, 0, p.pp - 1})};
    return c.collective(StreamKind::dp, {RoleKind::tied_embedding}, CollectiveKind::all_reduce, bytes,
                        devices, c.label(Phase::gradient_reduce, "tied embedding gradient"), after,
                        c.last_compute);
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
