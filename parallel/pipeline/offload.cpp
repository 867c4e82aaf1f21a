#include "parallel/pipeline/offload.hpp"

#include <set>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace orrery::parallel {

using namespace sim;

namespace {

using schedules::Action;
using schedules::ActionKind;

class MoveList {
  public:
    MoveList(const schedules::Schedule& schedule, const std::vector<std::vector<int>>& stage_layers,
             Activations& activations, int device)
        : schedule_(schedule),
          stage_layers_(stage_layers),
          activations_(activations),
          order_(schedule.orders[static_cast<std::size_t>(device)]) {}

    std::vector<Move> make() {
        for (const Action& action : order_)
            if (action.kind == ActionKind::recompute) recomputed_.insert(parcel(action));
        for (const Action& action : order_) add(action);
        return std::move(moves_);
    }

  private:
    static Parcel parcel(const Action& action, int node = -1) {
        return {action.micro_batch, action.stage, action.slice, node};
    }
    const std::vector<int>& nodes(const Action& action) const {
        return stage_layers_[static_cast<std::size_t>(action.stage)];
    }
    /// What leaves: all that is kept but the keys and values that later slices read.
    double moved(const Action& action, int node) {
        const bool recomputed = recomputed_.contains(parcel(action));
        const bool begins = node == nodes(action).front();
        const double kept = activations_.kept(node, action.micro_batch, action.slice, recomputed, begins);
        const bool read = activations_.what_is_kept(node, action.slice, recomputed, begins).keys_and_values;
        return read ? kept - activations_.keys_and_values(node, action.slice) : kept;
    }
    OffloadTarget whole_stages() const {
        return schedule_.eviction_partner.empty() ? OffloadTarget::host : OffloadTarget::partner;
    }

    void add(const Action& action) {
        switch (action.kind) {
            case ActionKind::forward:
                for (const int node : nodes(action)) add_layer(action, node, true);
                return;
            case ActionKind::backward:
            case ActionKind::backward_input:
                if (recomputed_.contains(parcel(action))) return;
                add_returns(action);
                return;
            case ActionKind::recompute:
                add_returns(action);
                return;
            case ActionKind::evict:
            case ActionKind::load:
                add_stage(action);
                return;
            case ActionKind::backward_weight:
                return;
        }
    }

    void add_returns(const Action& action) {
        for (auto node = nodes(action).rbegin(); node != nodes(action).rend(); ++node)
            add_layer(action, *node, false);
    }

    void add_layer(const Action& action, int node, bool out) {
        const OffloadTarget target = activations_.policy(node).offload;
        const double bytes = moved(action, node);
        if (target != OffloadTarget::none && bytes > 0)
            moves_.push_back({out, parcel(action, node), bytes, target, {node}});
    }

    void add_stage(const Action& action) {
        double bytes = 0;
        std::vector<int> layers;
        for (const int node : nodes(action)) {
            if (activations_.policy(node).offload != OffloadTarget::none) continue;
            bytes += moved(action, node);
            layers.push_back(node);
        }
        if (bytes > 0)
            moves_.push_back(
                {action.kind == ActionKind::evict, parcel(action), bytes, whole_stages(), layers});
    }

    const schedules::Schedule& schedule_;
    const std::vector<std::vector<int>>& stage_layers_;
    Activations& activations_;
    const std::vector<Action>& order_;
    std::set<Parcel> recomputed_;
    std::vector<Move> moves_;
};

}  // namespace

std::vector<Move> moves_of(const schedules::Schedule& schedule,
                           const std::vector<std::vector<int>>& stage_layers, Activations& activations,
                           int device) {
    return MoveList(schedule, stage_layers, activations, device).make();
}

std::optional<int> Offload::partner_of(const schedules::Schedule& schedule, const Plan& plan, int device,
                                       const Move& move) {
    if (move.target == OffloadTarget::host) return std::nullopt;
    int partner = schedule.devices - 1 - device;
    if (move.parcel.node < 0) partner = schedule.eviction_partner[static_cast<std::size_t>(device)];
    if (move.parcel.node >= 0 && !plan.offload_partner.empty())
        partner = plan.offload_partner[static_cast<std::size_t>(device)];
    if (partner == device)
        throw ExperimentError("stage " + std::to_string(device) +
                              " would keep its own activations for itself; give it another partner "
                              "(training.offload.partners), or offload its layers to the host");
    return partner;
}

Offload::Offload(RankContext& context, const schedules::Schedule& schedule, std::vector<Move> moves)
    : c_(context), schedule_(schedule) {
    for (Move& move : moves) {
        if (move.out)
            bytes_.emplace(move.parcel, move);
        else
            returns_.push_back(move);
    }
}

TaskLabel Offload::label(const Parcel& parcel, const std::string& what) {
    return c_.label(Phase::transfer, what, parcel.micro_batch, parcel.node, parcel.stage / schedule_.devices,
                    parcel.slice);
}

void Offload::mean(Effect effect, const Move& move, int owner) {
    c_.rank.mean({.effect = effect,
                  .micro_batch = move.parcel.micro_batch,
                  .slice = move.parcel.slice,
                  .owner = owner,
                  .nodes = move.nodes});
}

/// One side of a transfer between the owner of activations and the device that keeps them.
TaskId Offload::transfer(int owner, int keeper, const Move& move, bool sending, const TaskLabel& label,
                         TaskId first, TaskId second) {
    const Parallelism& p = c_.plan.parallel;
    const int from = move.out ? owner : keeper;
    const int to = move.out ? keeper : owner;
    const Collective work{CollectiveKind::send_recv, move.bytes,
                          c_.interner.group({device_of(p, {0, 0, 0, from}), device_of(p, {0, 0, 0, to})})};
    const StreamKind kind = sending ? StreamKind::copy_out : StreamKind::copy_in;
    const StreamId stream = c_.rank.stream(kind, sending ? to : from, move.out ? 1 : 2);
    const Role role{RoleKind::eviction, from, to, move.out ? 0 : 1};
    return c_.rank.add_operation(stream, c_.interner.work(work), c_.rank.slot(role), label, {first, second});
}

TaskId Offload::room_for(const Parcel& parcel) const {
    const auto last = last_out_.find(parcel.node);
    return last == last_out_.end() || !leaves(parcel) ? TaskId{} : last->second;
}

void Offload::send_away(const Parcel& parcel, TaskId after) {
    const auto it = bytes_.find(parcel);
    if (it == bytes_.end()) return;
    const Move& move = it->second;
    TaskId task;
    if (const auto partner = partner_of(schedule_, c_.plan, c_.device, move)) {
        task = transfer(c_.device, *partner, move, true,
                        label(parcel, "evict to stage " + std::to_string(*partner)), after, {});
    } else {
        task = c_.rank.add(c_.rank.stream(StreamKind::copy_out), c_.interner.work(Copy{move.bytes, true}),
                           label(parcel, "offload to host"), {after});
    }
    mean(Effect::move_out, move, c_.device);
    c_.rank.memory(task, MemoryKind::activations, -move.bytes);
    sent_[parcel] = task;
    if (parcel.node >= 0) last_out_[parcel.node] = task;
}

void Offload::bring_next_back(TaskId after) {
    const Move& move = returns_[begun_++];
    const TaskId sent = sent_.at(move.parcel);
    TaskId task;
    if (const auto partner = partner_of(schedule_, c_.plan, c_.device, move)) {
        task = transfer(c_.device, *partner, move, false,
                        label(move.parcel, "load from stage " + std::to_string(*partner)), after, sent);
    } else {
        task = c_.rank.add(c_.rank.stream(StreamKind::copy_in), c_.interner.work(Copy{move.bytes, false}),
                           label(move.parcel, "load from host"), {after, sent});
    }
    mean(Effect::move_back, move, c_.device);
    c_.rank.memory(task, MemoryKind::activations, move.bytes);
    sent_.erase(move.parcel);
    back_[move.parcel] = task;
}

void Offload::prefetch(TaskId after) {
    const std::size_t ahead = 1 + static_cast<std::size_t>(c_.plan.parallel.prefetch);
    while (begun_ < returns_.size() && begun_ - used_ < ahead) {
        const Parcel& next = returns_[begun_].parcel;
        if (next.node < 0 || !sent_.contains(next)) return;  // its load is an action, or it is still here
        bring_next_back(after);
    }
}

void Offload::begin_return(const Parcel& parcel, TaskId after) {
    if (!leaves(parcel)) return;
    while (!back_.contains(parcel)) bring_next_back(after);
}

TaskId Offload::returned(const Parcel& parcel, TaskId after) {
    if (!leaves(parcel)) return {};
    begin_return(parcel, after);
    ++used_;
    const TaskId task = back_.at(parcel);
    back_.erase(parcel);
    return task;
}

void Offload::keep_for(int owner, const std::vector<Move>& moves) {
    std::map<Parcel, TaskId> kept;
    for (const Move& move : moves) {
        if (partner_of(schedule_, c_.plan, owner, move) != c_.device) continue;
        const std::string stage = std::to_string(owner);
        const TaskId task =
            move.out ? transfer(owner, c_.device, move, false, label(move.parcel, "keep for stage " + stage),
                                {}, {})
                     : transfer(owner, c_.device, move, true,
                                label(move.parcel, "give back to stage " + stage), kept.at(move.parcel), {});
        mean(move.out ? Effect::keep : Effect::give_back, move, owner);
        c_.rank.memory(task, MemoryKind::activations, move.out ? move.bytes : -move.bytes);
        kept[move.parcel] = task;
    }
}

}  // namespace orrery::parallel
