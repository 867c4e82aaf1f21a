#include "parallel/pipeline.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "parallel/data/data_parallel.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;
using schedules::Action;
using schedules::ActionKind;

bool is_forward(ActionKind kind) {
    return kind == ActionKind::forward;
}
bool sends_gradient(ActionKind kind) {
    return kind == ActionKind::backward || kind == ActionKind::backward_input;
}

int device_of_stage(const schedules::Schedule& schedule, const Action& action, int stage) {
    return schedule.placement[static_cast<std::size_t>(action.direction)][static_cast<std::size_t>(stage)];
}

/// The stage that needs the action's result, or -1.
int consumer_stage(const schedules::Schedule& schedule, const Action& action) {
    if (is_forward(action.kind)) return action.stage + 1 < schedule.stages() ? action.stage + 1 : -1;
    if (sends_gradient(action.kind)) return action.stage - 1;
    return -1;
}

Phase phase_of(ActionKind kind) {
    switch (kind) {
        case ActionKind::forward:
            return Phase::forward;
        case ActionKind::backward:
            return Phase::backward;
        case ActionKind::backward_input:
            return Phase::backward_input;
        case ActionKind::backward_weight:
            return Phase::backward_weight;
        case ActionKind::recompute:
            return Phase::recompute;
        default:
            return Phase::transfer;
    }
}

Pass pass_of(ActionKind kind) {
    switch (kind) {
        case ActionKind::backward:
            return Pass::backward;
        case ActionKind::backward_input:
            return Pass::backward_input;
        case ActionKind::backward_weight:
            return Pass::backward_weight;
        default:
            return Pass::forward;
    }
}

class DeviceLowering {
  public:
    DeviceLowering(RankContext& context, const schedules::Schedule& schedule,
                   const std::vector<std::vector<int>>& stage_layers, const Transfers& transfers)
        : c_(context),
          schedule_(schedule),
          stage_layers_(stage_layers),
          transfers_(transfers),
          data_(make_data_parallel(context)) {}

    void run() {
        data_->begin();
        count_backwards();
        post_receives();
        for (const Action& action : schedule_.orders[static_cast<std::size_t>(c_.device)])
            lower_action(action);
        data_->finish();
    }

  private:
    const std::vector<int>& nodes_of(int stage) const {
        return stage_layers_[static_cast<std::size_t>(stage)];
    }

    /// How many gradient-completing actions each stage has on this device: the last one synchronises.
    void count_backwards() {
        for (const Action& action : schedule_.orders[static_cast<std::size_t>(c_.device)]) {
            if (completes_gradient(action)) ++backwards_left_[action.stage];
        }
    }

    static bool completes_gradient(const Action& action) {
        return action.kind == ActionKind::backward || action.kind == ActionKind::backward_weight;
    }

    void lower_action(const Action& action) {
        switch (action.kind) {
            case ActionKind::forward:
            case ActionKind::backward:
            case ActionKind::backward_input:
            case ActionKind::backward_weight:
                break;
            default:
                throw ExperimentError("schedule " + schedule_.name +
                                      ": recompute, evict and load actions cannot be lowered yet");
        }
        if (completes_gradient(action)) --backwards_left_[action.stage];
        const TaskId received = receive_for(action);
        if (is_forward(action.kind) && action.stage == 0 && c_.software.host.micro_batch > 0)
            host_per_micro_batch(action);
        if (received) wait_for(received, action);
        const std::vector<int>& nodes = nodes_of(action.stage);
        if (is_forward(action.kind)) {
            forward(action, nodes);
        } else {
            backward(action, nodes);
        }
        send_result(action);
    }

    void host_per_micro_batch(const Action& action) {
        Kernel host{.kind = KernelKind::host_only, .host_operations = c_.software.host.micro_batch};
        c_.compute({host}, c_.label(Phase::forward, "load batch", action.micro_batch));
    }

    // --- layers ---

    TaskLabel label_of(const Action& action, Phase phase, int node) {
        return c_.label(phase, c_.model.layer(node).name, action.micro_batch, node,
                        action.stage / schedule_.devices, action.slice);
    }

    void forward(const Action& action, const std::vector<int>& nodes) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            Moment moment{nodes[i], action.micro_batch};
            moment.first_use = used_.insert(nodes[i]).second;
            moment.last_of_action = i + 1 == nodes.size();
            run_layer(action, moment, Pass::forward, Phase::forward);
            c_.rank.memory(c_.last_compute, MemoryKind::activations, kept_bytes(nodes, i));
            data_->after_forward(moment);
        }
    }

    void backward(const Action& action, const std::vector<int>& nodes) {
        const Pass pass = pass_of(action.kind);
        const auto count = static_cast<int>(nodes.size());
        int i = count - 1;
        while (i >= 0) {
            // A recomputed unit of several layers runs all its forwards before its first backward.
            const int unit_begin = pass == Pass::backward_weight ? i : recompute_unit_begin(nodes, i);
            if (unit_begin <= i && recomputed(nodes, i) && pass != Pass::backward_weight) {
                for (int k = unit_begin; k <= i; ++k) recompute(action, nodes, static_cast<std::size_t>(k));
            }
            for (; i >= unit_begin; --i) backward_layer(action, nodes, static_cast<std::size_t>(i), pass);
        }
    }

    void recompute(const Action& action, const std::vector<int>& nodes, std::size_t i) {
        Moment moment{nodes[i], action.micro_batch};
        moment.recompute = true;
        Kernel host{
            .kind = KernelKind::host_only, .backward = true, .host_operations = c_.software.host.checkpoint};
        const TaskId gathered = data_->before_backward(moment);
        if (gathered) gates_.push_back(gathered);
        if (host.host_operations > 0) {
            add_compute(c_.interner.work(KernelSequence{{host}}),
                        label_of(action, Phase::recompute, nodes[i]), true);
        }
        run_layer(action, moment, Pass::forward, Phase::recompute);
        c_.rank.memory(c_.last_compute, MemoryKind::activations, saved_bytes(nodes[i]));
        recomputed_now_.insert(nodes[i]);
    }

    void backward_layer(const Action& action, const std::vector<int>& nodes, std::size_t i, Pass pass) {
        Moment moment{nodes[i], action.micro_batch};
        moment.last_of_action = i == 0;
        moment.last_backward = completes_gradient(action) && backwards_left_[action.stage] == 0;
        run_layer(action, moment, pass, phase_of(action.kind));
        if (pass != Pass::backward_input) release_activations(nodes, i);
        if (completes_gradient(action)) data_->after_backward(moment);
    }

    void run_layer(const Action& action, const Moment& moment, Pass pass, Phase phase) {
        const TaskId gathered = pass == Pass::forward && !moment.recompute ? data_->before_forward(moment)
                                                                           : data_->before_backward(moment);
        if (gathered) gates_.push_back(gathered);
        const TaskLabel label = label_of(action, phase, moment.node);
        for (const PreparedStep& step : prepared_steps(moment.node, pass)) {
            switch (step.kind) {
                case Step::Kind::kernel:
                    add_compute(step.work, label, step.gated);
                    break;
                case Step::Kind::collective: {
                    TaskLabel named = label;
                    named.name = step.name;
                    last_tp_ = c_.rank.add_operation(c_.rank.stream(StreamKind::tp), step.work, tp_slot(),
                                                     named, {c_.last_compute});
                    break;
                }
                case Step::Kind::wait:
                    if (last_tp_) gates_.push_back(std::exchange(last_tp_, {}));
                    break;
            }
        }
    }

    std::uint32_t tp_slot() { return c_.rank.slot({RoleKind::tp}); }

    /// A task on the compute stream; a gated one stands behind everything that has been waited for since the
    /// last.
    void add_compute(WorkId work, const TaskLabel& label, bool gated) {
        c_.last_compute = c_.rank.add(c_.rank.stream(StreamKind::compute), work, label, {});
        if (!gated) return;
        for (TaskId gate : gates_) c_.rank.depend(gate);
        gates_.clear();
        for (TaskId send : std::exchange(blocking_sends_, {})) c_.rank.depend(send);
    }

    // --- what a layer type's pass consists of, made once ---

    struct PreparedStep {
        Step::Kind kind = Step::Kind::kernel;
        WorkId work;
        std::int32_t name = 0;  ///< of a collective
        bool gated = false;     ///< the first kernels after a communication
    };

    const std::vector<PreparedStep>& prepared_steps(int node, Pass pass) {
        const int type = c_.model.nodes[static_cast<std::size_t>(node)].type;
        const auto [it, fresh] = prepared_.try_emplace({type, pass});
        if (fresh) it->second = prepare(c_.model.types[static_cast<std::size_t>(type)], pass);
        return it->second;
    }

    std::vector<PreparedStep> prepare(const models::Layer& layer, Pass pass) {
        std::vector<PreparedStep> prepared;
        std::vector<Kernel> run;
        const auto flush = [&] {
            prepare_kernels(run, prepared);
            run.clear();
        };
        for (const Step& step : layer_steps(layer, c_.shape, c_.software, pass, selective())) {
            if (step.kind == Step::Kind::kernel) {
                run.push_back(step.kernel);
                continue;
            }
            flush();
            PreparedStep one{.kind = step.kind};
            if (step.kind == Step::Kind::collective) {
                const Collective work{step.collective, step.bytes, c_.interner.group(c_.tp_group()),
                                      c_.software.host.collective};
                one.work = c_.interner.work(work);
                one.name = c_.interner.name(std::string(to_string(step.collective)));
            }
            prepared.push_back(one);
        }
        flush();
        return prepared;
    }

    /// One task for all of them, or one each.
    void prepare_kernels(const std::vector<Kernel>& run, std::vector<PreparedStep>& prepared) {
        if (run.empty()) return;
        if (!c_.options.kernel_granularity) {
            prepared.push_back({.work = c_.interner.work(KernelSequence{run}), .gated = true});
            return;
        }
        bool first = true;
        for (const Kernel& kernel : run) {
            prepared.push_back(
                {.work = c_.interner.work(KernelSequence{{kernel}}), .gated = std::exchange(first, false)});
        }
    }

    // --- recomputation and activations ---

    [[nodiscard]] bool selective() const { return c_.plan.training.recompute == RecomputePolicy::selective; }

    /// Position of the node among the blocks of its stage; blocks only are recomputed.
    [[nodiscard]] bool recomputed(const std::vector<int>& nodes, int i) const {
        const Training& t = c_.plan.training;
        if (t.recompute != RecomputePolicy::full) return false;
        if (c_.model.layer(nodes[static_cast<std::size_t>(i)]).kind != models::LayerKind::block) return false;
        return t.recompute_method == RecomputeMethod::uniform || block_index(nodes, i) < t.recompute_layers;
    }

    [[nodiscard]] int block_index(const std::vector<int>& nodes, int i) const {
        return i - (c_.model.layer(nodes.front()).kind == models::LayerKind::block ? 0 : 1);
    }

    /// First layer of the unit that ends the recomputed run at `i` (uniform: units of recompute_layers from
    /// the front).
    [[nodiscard]] int recompute_unit_begin(const std::vector<int>& nodes, int i) const {
        const Training& t = c_.plan.training;
        if (!recomputed(nodes, i) || t.recompute_method == RecomputeMethod::block) return i;
        return i - block_index(nodes, i) % t.recompute_layers;
    }

    [[nodiscard]] double saved_bytes(int node) {
        const int type = c_.model.nodes[static_cast<std::size_t>(node)].type;
        const auto [it, fresh] = saved_.try_emplace(type, 0.0);
        if (fresh) {
            for (const models::Operator& op : c_.model.types[static_cast<std::size_t>(type)].operators) {
                it->second += models::saved_activation_bytes(op, c_.shape, c_.software, selective());
            }
        }
        return it->second;
    }

    /// What the forward keeps: everything, or the input of each recomputed unit.
    [[nodiscard]] double kept_bytes(const std::vector<int>& nodes, std::size_t i) {
        if (!recomputed(nodes, static_cast<int>(i))) return saved_bytes(nodes[i]);
        if (recompute_unit_begin(nodes, static_cast<int>(i)) != static_cast<int>(i)) return 0;
        return c_.shape.element() * c_.shape.divided_tokens() * static_cast<double>(c_.model.shape.hidden);
    }

    void release_activations(const std::vector<int>& nodes, std::size_t i) {
        double bytes = kept_bytes(nodes, i);
        if (recomputed_now_.erase(nodes[i]) > 0) bytes += saved_bytes(nodes[i]);
        c_.rank.memory(c_.last_compute, MemoryKind::activations, -bytes);
    }

    // --- transfers ---

    [[nodiscard]] double boundary_bytes() const {
        const double full =
            c_.shape.element() * c_.shape.tokens() * static_cast<double>(c_.model.shape.hidden);
        const bool divided = c_.shape.sequence_parallel || c_.software.scatter_gather_p2p;
        return divided ? full / c_.plan.parallel.tp : full;
    }

    TaskId add_transfer(const Channel& channel, const Transfer& transfer, bool sending, TaskId after) {
        const int peer = sending ? channel.to : channel.from;
        const Parallelism& p = c_.plan.parallel;
        const std::vector<std::uint32_t> devices = {device_of(p, {0, 0, 0, channel.from}),
                                                    device_of(p, {0, 0, 0, channel.to})};
        const Collective work{CollectiveKind::send_recv, boundary_bytes(), c_.interner.group(devices)};
        const TaskLabel label =
            c_.label(channel.index % 2 == 0 ? Phase::forward : Phase::backward,
                     (sending ? "send to " : "receive from ") + std::to_string(peer), transfer.micro_batch,
                     -1, transfer.stage / schedule_.devices, transfer.slice);
        const StreamId stream =
            c_.rank.stream(sending ? StreamKind::pp_send : StreamKind::pp_recv, peer, channel.index);
        const Role role{RoleKind::pipeline, channel.from, channel.to, channel.index};
        return c_.rank.add_operation(stream, c_.interner.work(work), c_.rank.slot(role), label, {after});
    }

    /// Every receive is posted at the start, in the sender's order: a transfer then begins when its sender is
    /// ready, and no order of actions can block on a receive that is yet to be posted.
    void post_receives() {
        for (const auto& [channel, order] : transfers_.in_order) {
            if (channel.to != c_.device) continue;
            for (const Transfer& transfer : order) {
                received_[{channel, transfer}] = add_transfer(channel, transfer, false, {});
            }
        }
    }

    /// The task that delivers the action's input, or none if it is produced on this device.
    TaskId receive_for(const Action& action) {
        const int producer = is_forward(action.kind) ? action.stage - 1
                             : sends_gradient(action.kind) && action.stage + 1 < schedule_.stages()
                                 ? action.stage + 1
                                 : -1;
        if (producer < 0) return {};
        const int from = device_of_stage(schedule_, action, producer);
        if (from == c_.device) return {};
        const Channel channel{from, c_.device, 2 * action.direction + (is_forward(action.kind) ? 0 : 1)};
        const auto it = received_.find({channel, {action.micro_batch, action.stage, action.slice}});
        if (it == received_.end())
            throw ExperimentError("schedule " + schedule_.name + ": a receive has no send");
        return gather_scattered(it->second, action);
    }

    /// The framework's calls around a transfer, and, where it synchronises, the host's wait.
    void wait_for(TaskId received, const Action& action) {
        Kernel calls{.kind = KernelKind::host_only, .host_operations = c_.software.host.p2p};
        const bool blocks = c_.software.p2p_host_sync && !c_.plan.parallel.overlap_p2p;
        c_.last_compute =
            c_.rank.add(c_.rank.stream(StreamKind::compute), c_.interner.work(KernelSequence{{calls}}),
                        c_.label(phase_of(action.kind), "wait for input", action.micro_batch), {received},
                        blocks ? kHostWaits : 0);
    }

    /// Megatron's scatter-gather optimisation: tensor-parallel ranks send a share each and gather it on
    /// arrival.
    TaskId gather_scattered(TaskId task, const Action& action) {
        if (!c_.software.scatter_gather_p2p || c_.shape.sequence_parallel || c_.plan.parallel.tp == 1)
            return task;
        const double full =
            c_.shape.element() * c_.shape.tokens() * static_cast<double>(c_.model.shape.hidden);
        return c_.collective(StreamKind::tp, {RoleKind::tp}, CollectiveKind::all_gather, full, c_.tp_group(),
                             c_.label(phase_of(action.kind), "gather received", action.micro_batch), task);
    }

    void send_result(const Action& action) {
        const int consumer = consumer_stage(schedule_, action);
        if (consumer < 0) return;
        const int to = device_of_stage(schedule_, action, consumer);
        if (to == c_.device) return;
        const Channel channel{c_.device, to, 2 * action.direction + (is_forward(action.kind) ? 0 : 1)};
        const TaskId task =
            add_transfer(channel, {action.micro_batch, consumer, action.slice}, true, c_.last_compute);
        if (!c_.plan.parallel.overlap_p2p) blocking_sends_.push_back(task);
    }

    RankContext& c_;
    const schedules::Schedule& schedule_;
    const std::vector<std::vector<int>>& stage_layers_;
    const Transfers& transfers_;
    std::unique_ptr<DataParallel> data_;

    std::map<std::pair<int, Pass>, std::vector<PreparedStep>> prepared_;  ///< by layer type
    std::map<int, double> saved_;                                         ///< bytes, by layer type
    std::map<int, int> backwards_left_;
    std::set<int> used_;
    std::set<int> recomputed_now_;
    std::map<std::pair<Channel, Transfer>, TaskId> received_;
    std::vector<TaskId> gates_;  ///< what the next kernels wait for
    std::vector<TaskId> blocking_sends_;
    TaskId last_tp_;
};

}  // namespace

Transfers collect_transfers(const schedules::Schedule& schedule) {
    Transfers transfers;
    for (int device = 0; device < schedule.devices; ++device) {
        for (const Action& action : schedule.orders[static_cast<std::size_t>(device)]) {
            const int consumer = consumer_stage(schedule, action);
            if (consumer < 0) continue;
            const int to = device_of_stage(schedule, action, consumer);
            if (to == device) continue;
            const Channel channel{device, to, 2 * action.direction + (is_forward(action.kind) ? 0 : 1)};
            transfers.in_order[channel].push_back({action.micro_batch, consumer, action.slice});
        }
    }
    return transfers;
}

void lower_device(RankContext& context, const schedules::Schedule& schedule,
                  const std::vector<std::vector<int>>& stage_layers, const Transfers& transfers) {
    DeviceLowering(context, schedule, stage_layers, transfers).run();
}

}  // namespace orrery::parallel
