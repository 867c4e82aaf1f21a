#include "parallel/rank_context.hpp"

#include <algorithm>

namespace orrery::parallel {

using namespace sim;

double RankContext::parameters_of(int node) const {
    const models::Layer& layer = model.layer(node);
    const bool holds_embedding = !nodes.empty() && nodes.front() == 0;
    double sum = 0;
    for (const models::Operator& op : layer.operators) {
        if (op.tied && holds_embedding) continue;
        sum += models::local_parameters(op, plan.parallel.tp, software);
    }
    return sum;
}

int RankContext::reduction_element() const {
    return plan.training.reduce_in_compute_precision ? shape.element()
                                                     : bytes_of(software.gradient_reduction);
}

double RankContext::device_parameters() const {
    double sum = 0;
    for (int node : nodes) sum += parameters_of(node);
    return sum;
}

TaskLabel RankContext::label(Phase phase, const std::string& name, int micro_batch, int node, int chunk,
                             int slice) {
    TaskLabel label;
    label.phase = phase;
    label.chunk = static_cast<std::int16_t>(chunk);
    label.micro_batch = micro_batch;
    label.slice = static_cast<std::int16_t>(slice);
    label.layer = static_cast<std::int16_t>(node);
    label.name = interner.name(name);
    return label;
}

TaskId RankContext::compute(const std::vector<Kernel>& kernels, const TaskLabel& task_label, TaskId after,
                            std::uint8_t flags) {
    const StreamId stream = rank.stream(StreamKind::compute);
    if (options.kernel_granularity) {
        TaskId dependency = after;
        for (const Kernel& kernel : kernels) {
            last_compute =
                rank.add(stream, interner.work(KernelSequence{{kernel}}), task_label, {dependency}, flags);
            dependency = {};
        }
    } else if (!kernels.empty()) {
        last_compute = rank.add(stream, interner.work(KernelSequence{kernels}), task_label, {after}, flags);
    }
    return last_compute;
}

TaskId RankContext::collective(StreamKind stream, const Role& role, CollectiveKind kind, double bytes,
                               const std::vector<std::uint32_t>& devices, const TaskLabel& task_label,
                               TaskId after, TaskId also_after, std::uint8_t flags) {
    Collective work{kind, bytes, interner.group(devices), software.host.collective};
    return rank.add_operation(rank.stream(stream), interner.work(work), rank.slot(role), task_label,
                              {after, also_after}, flags);
}

std::vector<std::uint32_t> RankContext::tp_group() const {
    std::vector<std::uint32_t> devices;
    for (int t = 0; t < plan.parallel.tp; ++t) devices.push_back(device_of(plan.parallel, {t, 0, 0, device}));
    return devices;
}

std::vector<std::uint32_t> RankContext::dp_group() const {
    std::vector<std::uint32_t> devices;
    const Parallelism& p = plan.parallel;
    for (int d = 0; d < p.dp; ++d) {
        for (int c = 0; c < p.cp; ++c) devices.push_back(device_of(p, {0, c, d, device}));
    }
    return devices;
}

std::vector<std::uint32_t> RankContext::dp_inner_group() const {
    std::vector<std::uint32_t> all = dp_group();
    all.resize(std::min<std::size_t>(all.size(), static_cast<std::size_t>(plan.parallel.sharding_group)));
    return all;
}

std::vector<std::uint32_t> RankContext::dp_outer_group() const {
    const std::vector<std::uint32_t> all = dp_group();
    std::vector<std::uint32_t> devices;
    for (std::size_t i = 0; i < all.size(); i += static_cast<std::size_t>(plan.parallel.sharding_group)) {
        devices.push_back(all[i]);
    }
    return devices;
}

Kernel pass_over(MemoryFamily family, double bytes, double host_operations, bool backward) {
    Kernel kernel{.kind = KernelKind::memory_bound, .precision = Precision::fp32, .backward = backward};
    kernel.family = family;
    kernel.bytes = bytes;
    kernel.host_operations = host_operations;
    return kernel;
}

}  // namespace orrery::parallel
