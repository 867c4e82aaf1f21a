#include "parallel/pipeline/device_lowering.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "parallel/data/data_parallel.hpp"
#include "parallel/pipeline/batch_loss.hpp"
#include "parallel/pipeline/layer_runs.hpp"
#include "parallel/pipeline/messages.hpp"
#include "parallel/pipeline/offload.hpp"
#include "parallel/pipeline/receive_plan.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;
using schedules::Action;
using schedules::ActionKind;

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
    DeviceLowering(RankContext& context, const Pipeline& pipeline)
        : c_(context),
          pipeline_(pipeline),
          order_(pipeline.schedule.orders[static_cast<std::size_t>(context.device)]),
          activations_(context, pipeline.policies),
          offload_(context, pipeline.schedule,
                   moves_of(pipeline.schedule, pipeline.stage_layers, activations_, context.device)),
          runs_(context),
          messages_(context, pipeline.transfers),
          data_(make_data_parallel(context)) {}

    void run() {
        data_->begin();
        keep_for_others();
        look_through_order();
        for (std::size_t begin = 0; begin < order_.size();) {
            const std::size_t end = unit_end(order_, begin);
            messages_.post_receives(begin);
            if (end - begin == 1) {
                lower_single(begin);
            } else {
                lower_unit(begin, end);
            }
            for (std::size_t i = begin; i < end; ++i) update_weights_after(order_[i]);
            begin = end;
        }
        if (pipeline_.schedule.synchronous) data_->finish();
    }

  private:
    [[nodiscard]] const std::vector<int>& nodes_of(const Action& action) const {
        return pipeline_.stage_layers[static_cast<std::size_t>(action.stage)];
    }
    static Parcel parcel_of(const Action& action, int node = -1) {
        return {action.micro_batch, action.stage, action.slice, node};
    }

    void keep_for_others() {
        for (int owner = 0; owner < pipeline_.schedule.devices; ++owner) {
            if (owner == c_.device) continue;
            offload_.keep_for(owner,
                              moves_of(pipeline_.schedule, pipeline_.stage_layers, activations_, owner));
        }
    }

    // --- when gradients are complete ---

    /// The micro-batches whose gradients one update gathers.
    [[nodiscard]] int group_of(const Action& action) const {
        return action.micro_batch / c_.micro_batches_per_update;
    }

    /// How many gradient-completing actions each stage has in each group: the last one synchronises. And
    /// which forwards the schedule runs again.
    void look_through_order() {
        for (const Action& action : order_) {
            if (completes_gradient(action.kind)) ++backwards_left_[{action.stage, group_of(action)}];
            if (action.kind == ActionKind::recompute) stage_recomputed_.insert(parcel_of(action));
        }
    }

    /// Without a flush every device updates its weights by itself, once its part of a group is complete.
    void update_weights_after(const Action& action) {
        if (pipeline_.schedule.synchronous || !completes_gradient(action.kind)) return;
        if (backwards_left_.at({action.stage, group_of(action)}) > 0) return;
        data_->finish();
        used_.clear();
        if (c_.device == pipeline_.graph.holder(0, 0)) c_.updates.push_back(c_.last_compute);
    }

    // --- actions and units ---

    void lower_single(std::size_t position) {
        const Action& action = order_[position];
        if (moves_activations(action.kind)) return move_stage(action);
        prepare(position);
        body(action);
        std::vector<TaskId> ends = runs_.pending();
        ends.push_back(c_.last_compute);
        messages_.send(position, ends);
        hand_on_sends();
    }

    /// Token slices of one micro-batch: the later reads the earlier's keys in every layer, and may not
    /// overtake it.
    [[nodiscard]] bool follow_each_other(std::size_t begin, std::size_t end) const {
        for (std::size_t i = begin + 1; i < end; ++i) {
            const Action& a = order_[i - 1];
            const Action& b = order_[i];
            if (a.micro_batch == b.micro_batch && a.stage == b.stage && a.slice != b.slice) return true;
        }
        return false;
    }

    void lower_unit(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) prepare(i);
        std::vector<std::uint32_t> bounds = {static_cast<std::uint32_t>(c_.rank.program.size())};
        std::vector<TaskId> ends;
        std::vector<TaskId> gates = runs_.take_pending();
        for (std::size_t i = begin; i < end; ++i) {
            for (const TaskId gate : gates) runs_.gate(gate);  // each begins behind what came before the unit
            body(order_[i]);
            bounds.push_back(static_cast<std::uint32_t>(c_.rank.program.size()));
            for (const TaskId task : runs_.take_pending()) ends.push_back(task);
            ends.push_back(c_.last_compute);
        }
        if (!follow_each_other(begin, end)) c_.rank.overlap(std::move(bounds));
        for (std::size_t i = begin; i < end; ++i) messages_.send(i, ends);
        for (const TaskId task : ends) runs_.gate(task);
        hand_on_sends();
    }

    /// Where sends block, the next compute stands behind them.
    void hand_on_sends() {
        const std::vector<TaskId> sends = messages_.take_sends();
        if (c_.plan.parallel.overlap_p2p) return;
        for (const TaskId send : sends) runs_.gate(send);
    }

    /// What precedes an action's layers: its inputs, the host's own work, its activations if they were away.
    void prepare(std::size_t position) {
        const Action& action = order_[position];
        if (completes_gradient(action.kind)) --backwards_left_.at({action.stage, group_of(action)});
        const bool begins =
            is_forward(action.kind) && action.slice == 0 && pipeline_.graph.inputs(action.stage).empty();
        const std::vector<TaskId> received = messages_.receive(position);
        if (begins && c_.software.host.micro_batch > 0) {
            Kernel host{.kind = KernelKind::host_only, .host_operations = c_.software.host.micro_batch};
            c_.compute({host}, c_.label(Phase::forward, "load batch", action.micro_batch));
        }
        if (!received.empty())
            messages_.wait_for(received,
                               c_.label(phase_of(action.kind), "wait for input", action.micro_batch));
        if (is_forward(action.kind)) return;
        if (const TaskId back = offload_.returned(parcel_of(action), c_.last_compute)) runs_.gate(back);
    }

    void move_stage(const Action& action) {
        if (action.kind == ActionKind::evict) offload_.send_away(parcel_of(action), c_.last_compute);
        if (action.kind == ActionKind::load) offload_.begin_return(parcel_of(action), c_.last_compute);
    }

    void body(const Action& action) {
        if (is_forward(action.kind)) return forward(action);
        if (action.kind == ActionKind::recompute) return recompute_stage(action);
        backward(action);
    }

    // --- layers ---

    [[nodiscard]] TaskLabel label_of(const Action& action, Phase phase, int node) {
        const int chunk = action.stage / pipeline_.schedule.devices + action.direction;
        return c_.label(phase, c_.model.layer(node).name, action.micro_batch, node, chunk, action.slice);
    }

    void run_layer(const Action& action, const Moment& moment, Pass pass, Phase phase) {
        offload_.prefetch(c_.last_compute);
        const bool forward = pass == Pass::forward && !moment.recompute;
        if (const TaskId gathered = forward ? data_->before_forward(moment) : data_->before_backward(moment))
            runs_.gate(gathered);
        runs_.run(moment.node, c_.draw_of(moment.node, action.micro_batch), pass, action.slice,
                  activations_.selective(moment.node), label_of(action, phase, moment.node));
    }

    [[nodiscard]] Moment moment_of(const Action& action, int node) const {
        return {
            .node = node, .micro_batch = action.micro_batch, .stage = action.stage, .slice = action.slice};
    }

    /// Does the node read what comes from other stages, or data?
    [[nodiscard]] bool begins_stage(const Action& action, int node) const {
        const std::vector<int>& inputs = c_.model.nodes[static_cast<std::size_t>(node)].inputs;
        return inputs.empty() || std::ranges::any_of(inputs, [&](int input) {
                   return !std::ranges::binary_search(nodes_of(action), input);
               });
    }

    [[nodiscard]] double kept(const Action& action, int node) {
        const bool dropped = stage_recomputed_.contains(parcel_of(action));
        return activations_.kept(node, action.micro_batch, action.slice, dropped,
                                 dropped && begins_stage(action, node));
    }

    [[nodiscard]] Kept kept_of(const Action& action, int node) const {
        const bool dropped = stage_recomputed_.contains(parcel_of(action));
        Kept kept =
            activations_.what_is_kept(node, action.slice, dropped, dropped && begins_stage(action, node));
        kept.micro_batch = action.micro_batch;
        return kept;
    }

    void forward(const Action& action) {
        const std::vector<int>& nodes = nodes_of(action);
        for (const int node : nodes) {
            Moment moment = moment_of(action, node);
            moment.first_use = used_.insert(node).second;
            moment.last_of_action = node == nodes.back();
            if (const TaskId gone = offload_.room_for(parcel_of(action, node))) runs_.gate(gone);
            run_layer(action, moment, Pass::forward, Phase::forward);
            c_.rank.memory(c_.last_compute, MemoryKind::activations, kept(action, node));
            c_.rank.keep(c_.last_compute, kept_of(action, node));
            offload_.send_away(parcel_of(action, node), c_.last_compute);
            data_->after_forward(moment);
        }
    }

    /// The schedule's own recomputation: the whole stage's forward.
    void recompute_stage(const Action& action) {
        for (const int node : nodes_of(action)) {
            if (const TaskId back = offload_.returned(parcel_of(action, node), c_.last_compute))
                runs_.gate(back);
        }
        for (const int node : nodes_of(action)) recompute(action, node);
    }

    void backward(const Action& action) {
        const std::vector<int>& nodes = nodes_of(action);
        const Pass pass = pass_of(action.kind);
        const bool again = pass != Pass::backward_weight && !stage_recomputed_.contains(parcel_of(action));
        int i = static_cast<int>(nodes.size()) - 1;
        while (i >= 0) {
            const int node = nodes[static_cast<std::size_t>(i)];
            // A recomputed unit of several layers runs all its forwards before its first backward.
            const bool unit = again && activations_.recomputed(node);
            const int begin = unit ? i - (node - activations_.policy(node).unit_begin) : i;
            if (again) {
                const int first = nodes[static_cast<std::size_t>(begin)];
                if (const TaskId back = offload_.returned(parcel_of(action, first), c_.last_compute))
                    runs_.gate(back);
            }
            for (int k = begin; unit && k <= i; ++k) recompute(action, nodes[static_cast<std::size_t>(k)]);
            for (; i >= begin; --i) backward_layer(action, nodes[static_cast<std::size_t>(i)], pass);
        }
    }

    void recompute(const Action& action, int node) {
        Moment moment = moment_of(action, node);
        moment.recompute = true;
        if (const TaskId gathered = data_->before_backward(moment)) runs_.gate(gathered);
        runs_.host(c_.software.host.checkpoint, label_of(action, Phase::recompute, node));
        run_layer(action, moment, Pass::forward, Phase::recompute);
        const double bytes = activations_.saved(node, action.micro_batch, action.slice) - kept(action, node);
        c_.rank.memory(c_.last_compute, MemoryKind::activations, bytes);
        brought_back_[parcel_of(action, node)] = bytes;
    }

    /// Once, before the first backward of a loss over the batch.
    void loss_of_batch(int node) {
        if (std::exchange(batch_compared_, true)) return;
        runs_.gate(append_batch_loss(c_, node, runs_.take_pending()));
    }

    void backward_layer(const Action& action, int node, Pass pass) {
        if (c_.model.layer(node).kind == models::LayerKind::loss) loss_of_batch(node);
        Moment moment = moment_of(action, node);
        moment.last_of_action = node == nodes_of(action).front();
        moment.last_backward =
            completes_gradient(action.kind) && backwards_left_.at({action.stage, group_of(action)}) == 0;
        run_layer(action, moment, pass, phase_of(action.kind));
        if (pass != Pass::backward_weight) keep_key_gradients(action, node);
        if (pass != Pass::backward_input) release(action, node);
        if (completes_gradient(action.kind)) data_->after_backward(moment);
    }

    /// The gradients of earlier slices' keys and values, from the last slice's backward to each one's own.
    void keep_key_gradients(const Action& action, int node) {
        const int last = c_.slices() - 1;
        double bytes = 0;
        if (action.slice < last) bytes = -activations_.keys_and_values(node, action.slice);
        for (int slice = 0; action.slice == last && slice < last; ++slice)
            bytes += activations_.keys_and_values(node, slice);
        c_.rank.memory(c_.last_compute, MemoryKind::workspace, bytes);
    }

    void release(const Action& action, int node) {
        double bytes = kept(action, node);
        if (const auto it = brought_back_.find(parcel_of(action, node)); it != brought_back_.end()) {
            bytes += it->second;
            brought_back_.erase(it);
        }
        c_.rank.memory(c_.last_compute, MemoryKind::activations, -bytes,
                       {.what = Freed::What::activations,
                        .node = node,
                        .micro_batch = action.micro_batch,
                        .slice = action.slice});
    }

    RankContext& c_;
    const Pipeline& pipeline_;
    const std::vector<Action>& order_;
    Activations activations_;
    Offload offload_;
    LayerRuns runs_;
    Messages messages_;
    std::unique_ptr<DataParallel> data_;

    std::map<std::pair<int, int>, int> backwards_left_;  ///< (stage, group)
    std::set<Parcel> stage_recomputed_;
    bool batch_compared_ = false;            ///< the loss over the batch has been computed
    std::set<int> used_;                     ///< nodes whose weights this step has used
    std::map<Parcel, double> brought_back_;  ///< by recomputations, on the device now
};

}  // namespace

void lower_device(RankContext& context, const Pipeline& pipeline) {
    DeviceLowering(context, pipeline).run();
}

}  // namespace orrery::parallel
