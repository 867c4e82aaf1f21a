#include "study/layer_prices.hpp"

#include <algorithm>
#include <array>

#include "sim/metrics/memory.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

constexpr std::array kPolicies = {parallel::RecomputePolicy::none, parallel::RecomputePolicy::selective,
                                  parallel::RecomputePolicy::full};

/// What one node of the chain costs a micro-batch.
struct NodeCost {
    double forward = 0;
    double backward = 0;
    double kept = 0;
    double state = 0;
};

/// The experiment as a short 1F1B step: a micro-batch a stage, even stages, a task a layer.
Experiment short_step(const Experiment& experiment, parallel::RecomputePolicy policy) {
    Experiment step = experiment;
    parallel::Plan& plan = step.plan;
    plan.schedule = "1f1b";
    plan.schedule_variant.clear();
    plan.parallel.vpp = 1;
    plan.slices = 1;
    plan.slice_lengths.clear();
    plan.partition.clear();
    plan.layer_recompute.clear();
    plan.layer_offload.clear();
    plan.training.recompute = policy;
    plan.training.recompute_method = parallel::RecomputeMethod::uniform;
    plan.training.recompute_layers = 1;
    plan.training.global_batch = plan.training.micro_batch * plan.parallel.dp * plan.parallel.pp;
    step.granularity = Granularity::layer;
    step.engine = EngineKind::replay;
    return step;
}

bool is_forward(sim::Phase phase) {
    return phase == sim::Phase::forward;
}
bool is_backward(sim::Phase phase) {
    return phase == sim::Phase::backward || phase == sim::Phase::backward_input ||
           phase == sim::Phase::backward_weight || phase == sim::Phase::recompute;
}

/// Times and activations of micro-batch 0, node by node.
std::vector<NodeCost> node_costs(const Simulation& s) {
    std::vector<NodeCost> costs(s.model.nodes.size());
    const auto of = [&](const sim::TaskLabel& label) -> NodeCost* {
        if (label.micro_batch != 0 || label.layer < 0) return nullptr;
        return &costs[static_cast<std::size_t>(label.layer)];
    };
    std::vector<bool> seen(static_cast<std::size_t>(s.schedule.devices), false);
    for (std::size_t r = 0; r < s.lowered.program.ranks.size(); ++r) {
        const sim::Rank& rank = s.lowered.program.ranks[r];
        const auto device = static_cast<std::size_t>(rank.pipeline_device);
        if (seen[device]) continue;
        seen[device] = true;
        const sim::RankProgram& tasks = s.lowered.program.rank_programs[rank.program];
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            NodeCost* const cost = of(tasks.label[task]);
            const sim::StreamKind kind = tasks.streams[tasks.stream[task]()].kind;
            if (cost == nullptr || (kind != sim::StreamKind::compute && kind != sim::StreamKind::tp))
                continue;
            const std::uint64_t id = s.lowered.program.first_task[r] + task;
            const double time = s.timeline.end[id] - s.timeline.start[id];
            if (is_forward(tasks.label[task].phase)) cost->forward += time;
            if (is_backward(tasks.label[task].phase)) cost->backward += time;
        }
        for (const sim::MemoryEvent& event : tasks.memory) {
            const sim::TaskLabel& label = tasks.label[event.task()];
            NodeCost* const cost = of(label);
            if (cost != nullptr && event.kind == sim::MemoryKind::activations && event.bytes > 0 &&
                is_forward(label.phase))
                cost->kept += event.bytes;
        }
        // States by share of the parameters.
        double state = 0;
        for (const double bytes : tasks.static_bytes) state += bytes;
        double parameters = 0;
        for (const int node : s.lowered.stage_layers[device]) parameters += s.model.layer(node).parameters();
        for (const int node : s.lowered.stage_layers[device])
            costs[static_cast<std::size_t>(node)].state +=
                state * s.model.layer(node).parameters() / parameters;
    }
    return costs;
}

/// Most that a device holds beyond states and activations in flight.
double overhead(const Simulation& s, const std::vector<NodeCost>& costs) {
    const sim::ClusterMemory memory = sim::measure_memory(s.lowered.program, s.timeline);
    double most = 0;
    for (std::size_t r = 0; r < s.lowered.program.ranks.size(); ++r) {
        const auto device = static_cast<std::size_t>(s.lowered.program.ranks[r].pipeline_device);
        const double in_flight = s.schedule.devices - static_cast<double>(device);
        double modelled = 0;
        for (const int node : s.lowered.stage_layers[device]) {
            const NodeCost& cost = costs[static_cast<std::size_t>(node)];
            modelled += cost.state + in_flight * cost.kept;
        }
        most = std::max(most, memory.per_rank[r].peak_bytes - modelled);
    }
    return most;
}

/// The blocks' costs, with those of the nodes that hold no block on the nearest one.
std::vector<NodeCost> by_block(const models::Model& model, const std::vector<NodeCost>& nodes) {
    std::vector<NodeCost> blocks;
    NodeCost before;
    const auto add = [](NodeCost& to, const NodeCost& from) {
        to.forward += from.forward;
        to.backward += from.backward;
        to.kept += from.kept;
        to.state += from.state;
    };
    for (std::size_t node = 0; node < nodes.size(); ++node) {
        if (model.layer(static_cast<int>(node)).kind == models::LayerKind::block) {
            blocks.push_back(nodes[node]);
            if (blocks.size() == 1) add(blocks.back(), before);
        } else {
            add(blocks.empty() ? before : blocks.back(), nodes[node]);
        }
    }
    return blocks;
}

}  // namespace

LayerPrices price_layers(const Experiment& experiment) {
    LayerPrices prices;
    for (const parallel::RecomputePolicy policy : kPolicies) {
        const Simulation s = simulate(short_step(experiment, policy));
        const std::vector<NodeCost> nodes = node_costs(s);
        const std::vector<NodeCost> blocks = by_block(s.model, nodes);
        prices.blocks.resize(blocks.size());
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            schedules::LayerCost& block = prices.blocks[i];
            if (policy == parallel::RecomputePolicy::none) {
                block.forward = blocks[i].forward;
                block.backward = blocks[i].backward;
                block.state_bytes = blocks[i].state;
            }
            const double extra = std::max(0.0, blocks[i].backward - block.backward);
            block.choices.push_back({.kept_bytes = blocks[i].kept, .extra_time = extra});
        }
        double smallest = experiment.cluster.kind(0).gpu.memory_bytes;
        for (std::size_t kind = 1; kind < experiment.cluster.kinds(); ++kind)
            smallest = std::min(smallest, experiment.cluster.kind(kind).gpu.memory_bytes);
        const double capacity = smallest - overhead(s, nodes);
        prices.memory_limit =
            policy == parallel::RecomputePolicy::none ? capacity : std::min(prices.memory_limit, capacity);
    }
    for (schedules::LayerCost& block : prices.blocks) {
        const double bytes = block.choices.front().kept_bytes;
        block.choices.push_back({.peer_bytes = bytes});
        block.choices.push_back({.host_bytes = bytes});
    }
    return prices;
}

}  // namespace orrery::study
