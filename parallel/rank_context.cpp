#include "parallel/rank_context.hpp"

#include <algorithm>
#include <utility>

#include "parallel/expert/expert_groups.hpp"

namespace orrery::parallel {

using namespace sim;

double RankContext::output_bytes(int node, int slice) const {
    const models::Layer& layer = model.layer(node);
    const models::LocalShape shape = shape_of(node, 0, slice);
    const double tokens = layer.pooled ? static_cast<double>(shape.batch) : shape.tokens();
    return shape.element() * tokens * static_cast<double>(layer.width);
}

double RankContext::boundary_bytes(int upper, int lower, int slice) const {
    const models::LocalShape& shape = shapes[static_cast<std::size_t>(slice)];
    double full = 0;
    for (const int node : tensors.between(upper, lower)) full += output_bytes(node, slice);
    const bool divided = shape.sequence_parallel || software.scatter_gather_p2p;
    return divided ? full / plan.parallel.tp : full;
}

const std::vector<int>& RankContext::holders_of(int node) const {
    const auto stage = std::find_if(stage_layers.begin(), stage_layers.end(), [node](const auto& held) {
        return std::find(held.begin(), held.end(), node) != held.end();
    });
    return graph.holders(static_cast<int>(stage - stage_layers.begin()));
}

bool RankContext::embedding_is_shared() const {
    return model.shape.tied_embeddings || model.shape.predicted_ahead > 0;
}

std::vector<int> RankContext::embedding_holders() const {
    std::vector<int> holders = holders_of(0);
    if (embedding_is_shared()) {
        const std::vector<int>& head = holders_of(static_cast<int>(model.nodes.size()) - 1);
        holders.insert(holders.end(), head.begin(), head.end());
    }
    std::sort(holders.begin(), holders.end());
    holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
    return holders;
}

double RankContext::expert_parameters_of(int node) const {
    if (!model.layer(node).has_experts()) return 0;
    const models::ExpertShare share = shape_of(node, 0, 0).experts;
    double sum = 0;
    for (const models::Operator& op : model.layer(node).operators) {
        if (op.of_experts()) sum += models::local_expert_parameters(op, share);
    }
    return sum;
}

double RankContext::parameters_of(int node) const {
    const models::Layer& layer = model.layer(node);
    const bool holds_embedding = !nodes.empty() && nodes.front() == 0;
    double sum = expert_parameters_of(node);
    for (const models::Operator& op : layer.operators) {
        if (op.of_experts() || op.shared || (op.tied && holds_embedding)) continue;
        sum += models::local_parameters(op, plan.parallel.tp, software);
    }
    return sum;
}

int RankContext::draw_of(int node, int micro_batch) const {
    return traffic != nullptr && model.layer(node).has_experts() ? traffic->draw_of(node, micro_batch) : 0;
}

models::LocalShape RankContext::shape_of(int node, int draw, int slice) const {
    models::LocalShape here = shapes[static_cast<std::size_t>(slice)];
    if (traffic != nullptr && model.layer(node).has_experts()) {
        here.experts = traffic->share(model.nodes[static_cast<std::size_t>(node)].type, draw, variant);
    }
    if (const std::int64_t own = model.layer(node).tokens; own > 0) here.seq = here.keys = own;
    return here;
}

bool RankContext::experts_apart() const {
    return traffic != nullptr && expert_dp_group() != dp_group();
}

int RankContext::reduction_element() const {
    return plan.training.reduce_in_compute_precision ? element() : bytes_of(software.gradient_reduction);
}

double RankContext::device_parameters() const {
    double sum = 0;
    for (int node : nodes) sum += parameters_of(node);
    return sum;
}

double RankContext::device_expert_parameters() const {
    double sum = 0;
    for (int node : nodes) sum += expert_parameters_of(node);
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

TaskId RankContext::compute(const std::vector<Kernel>& kernels, const TaskLabel& task_label,
                            std::span<const TaskId> after, std::uint8_t flags) {
    const StreamId stream = rank.stream(StreamKind::compute);
    const auto add = [&](WorkId work) {
        last_compute = rank.add(stream, work, task_label, {}, flags);
        for (const TaskId task : std::exchange(after, {})) rank.depend(task);
    };
    if (options.kernel_granularity) {
        for (const Kernel& kernel : kernels) add(interner.work(KernelSequence{{kernel}}));
    } else if (!kernels.empty()) {
        add(interner.work(KernelSequence{kernels}));
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

std::vector<std::uint32_t> RankContext::cp_group() const {
    std::vector<std::uint32_t> devices;
    for (int c = 0; c < plan.parallel.cp; ++c) devices.push_back(device_of(plan.parallel, {0, c, 0, device}));
    return devices;
}

std::vector<std::uint32_t> RankContext::group_of(RoleKind role) const {
    switch (role) {
        case RoleKind::cp:
            return cp_group();
        case RoleKind::ep:
            return devices_of(expert_parallel_ranks(plan.parallel));
        case RoleKind::etp:
            return devices_of(expert_tensor_ranks(plan.parallel));
        default:
            return tp_group();
    }
}

std::vector<std::uint32_t> RankContext::expert_dp_group() const {
    return devices_of(expert_data_ranks(plan.parallel));
}

std::vector<std::uint32_t> RankContext::devices_of(const std::vector<int>& local) const {
    const Parallelism& p = plan.parallel;
    const auto first = device_of(p, {0, 0, 0, device});
    std::vector<std::uint32_t> devices;
    devices.reserve(local.size());
    for (const int number : local) devices.push_back(first + static_cast<std::uint32_t>(number));
    return devices;
}

std::vector<std::uint32_t> RankContext::dp_group() const {
    return dp_group_of({device});
}

std::vector<std::uint32_t> RankContext::dp_group_of(const std::vector<int>& pipeline_devices) const {
    std::vector<std::uint32_t> devices;
    const Parallelism& p = plan.parallel;
    for (const int stage : pipeline_devices) {
        for (int d = 0; d < p.dp; ++d) {
            for (int c = 0; c < p.cp; ++c) devices.push_back(device_of(p, {0, c, d, stage}));
        }
    }
    return devices;
}

std::vector<std::uint32_t> RankContext::counterparts(const std::vector<int>& pipeline_devices) const {
    std::vector<std::uint32_t> devices;
    for (const int stage : pipeline_devices) devices.push_back(device_of(plan.parallel, {0, 0, 0, stage}));
    return devices;
}

std::vector<std::uint32_t> RankContext::expert_dp_group_of(const std::vector<int>& pipeline_devices) const {
    std::vector<std::uint32_t> devices;
    for (const int stage : pipeline_devices) {
        const auto first = device_of(plan.parallel, {0, 0, 0, stage});
        for (const int offset : expert_data_ranks(plan.parallel))
            devices.push_back(first + static_cast<std::uint32_t>(offset));
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
