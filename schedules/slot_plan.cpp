#include "schedules/slot_plan.hpp"

#include <algorithm>

namespace orrery::schedules {
namespace {

constexpr int kFree = -1;
constexpr int kPasses = 4;  ///< kinds other than W

/// One device's slots in time order: what is in each, and the activations alive after it.
class SlotLine {
  public:
    SlotLine(const std::array<std::vector<int>, 5>& slots, bool weights_float)
        : weights_float_(weights_float) {
        int last = 0;
        for (int kind = 0; kind < (weights_float ? kPasses : kPasses + 1); ++kind)
            for (const int slot : slots[kind]) last = std::max(last, slot);
        kind_.assign(static_cast<std::size_t>(last) + 1, kFree);
        for (int kind = 0; kind < (weights_float ? kPasses : kPasses + 1); ++kind)
            for (const int slot : slots[kind]) kind_[slot] = kind;
        state_.resize(kind_.size());
        for (std::size_t slot = 0; slot < kind_.size(); ++slot)
            state_[slot] = after(slot == 0 ? State{} : state_[slot - 1], kind_[slot]);
    }

    int peak() const {
        int peak = 0;
        for (const State& state : state_) peak = std::max(peak, state.alive);
        return peak;
    }

    /// The earliest free slot from `earliest` on to which the action in slot `from` can move without more
    /// than `limit` activations alive; moves it there.
    int move_forward(int from, int earliest, int limit) {
        for (int to = earliest; to < from; ++to)
            if (kind_[to] == kFree && try_move(from, to, limit)) return to;
        return from;
    }

  private:
    struct State {
        int alive = 0;
        int pending = 0;  ///< Bs whose W is not done, when Ws float
        bool operator==(const State&) const = default;
    };

    State after(State state, int kind) const {
        if (kind == kForwardDown || kind == kForwardUp) ++state.alive;
        if (kind == kWeight) --state.alive;
        if (weights_float_ && (kind == kBackwardUp || kind == kBackwardDown)) ++state.pending;
        if (weights_float_ && kind == kFree && state.pending > 0) --state.alive, --state.pending;
        return state;
    }

    /// Replays from `to` until the state is the old one again.
    bool try_move(int from, int to, int limit) {
        std::swap(kind_[from], kind_[to]);
        std::vector<State> changed;
        State state = to == 0 ? State{} : state_[to - 1];
        for (std::size_t slot = to; slot < kind_.size(); ++slot) {
            state = after(state, kind_[slot]);
            if (state.alive > limit) {
                std::swap(kind_[from], kind_[to]);
                return false;
            }
            if (slot >= static_cast<std::size_t>(from) && state == state_[slot]) break;
            changed.push_back(state);
        }
        std::copy(changed.begin(), changed.end(), state_.begin() + to);
        return true;
    }

    bool weights_float_;
    std::vector<int> kind_;
    std::vector<State> state_;
};

/// The device whose action of the same pass comes before this one's; none: out of range.
int upstream(int kind, int device) {
    return kind % 2 == 0 ? device - 1 : device + 1;
}

}  // namespace

SlotPlan::SlotPlan(const BuildingBlock& block, int micro_batches)
    : devices_(static_cast<int>(block.slots.size())),
      micro_batches_(micro_batches),
      slots_(block.slots.size()) {
    for (int device = 0; device < devices_; ++device)
        for (int kind = 0; kind < kPasses; ++kind)
            for (int k = 0; k < micro_batches; ++k)
                slots_[device][kind].push_back(block.slots[device][kind] + 6 * k);
}

std::vector<SlotPlan::Entry> SlotPlan::by_slot(int kinds) const {
    std::vector<Entry> entries;
    for (int device = 0; device < devices_; ++device)
        for (int kind = 0; kind < kinds; ++kind)
            for (int k = 0; k < static_cast<int>(slots_[device][kind].size()); ++k)
                entries.push_back({slots_[device][kind][k], device, kind, k});
    std::sort(entries.begin(), entries.end());
    return entries;
}

int SlotPlan::last_slot(int device) const {
    int last = 0;
    for (int kind = 0; kind < kPasses; ++kind) last = std::max(last, slots_[device][kind].back());
    return last;
}

void SlotPlan::place_weights(int device) {
    const int last = last_slot(device);
    std::vector<int> kinds(static_cast<std::size_t>(last) + 1, kFree);
    for (int kind = 0; kind < kPasses; ++kind)
        for (const int slot : slots_[device][kind]) kinds[slot] = kind;
    std::vector<int>& weights = slots_[device][kWeight];
    weights.clear();
    int pending = 0;
    for (int slot = 0; slot <= last; ++slot) {
        if (kinds[slot] == kBackwardUp || kinds[slot] == kBackwardDown) ++pending;
        if (kinds[slot] == kFree && pending > 0) weights.push_back(slot), --pending;
    }
    for (int i = 1; i <= pending; ++i) weights.push_back(last + i);
}

int SlotPlan::earliest_slot(const Entry& entry) const {
    const auto& own = slots_[entry.device];
    int after = -1;
    if (entry.kind < kPasses) {
        const int from = upstream(entry.kind, entry.device);
        if (from >= 0 && from < devices_) after = slots_[from][entry.kind][entry.micro_batch];
        if (entry.kind > 0) after = std::max(after, own[entry.kind - 1][entry.micro_batch]);
    } else {
        // The n-th W follows the n-th B of either chunk: merge the two ascending lists up to there.
        const auto& up = own[kBackwardUp];
        const auto& down = own[kBackwardDown];
        std::size_t i = 0;
        std::size_t j = 0;
        while (static_cast<int>(i + j) <= entry.micro_batch)
            after = j == down.size() || (i < up.size() && up[i] < down[j]) ? up[i++] : down[j++];
    }
    if (entry.micro_batch > 0) after = std::max(after, own[entry.kind][entry.micro_batch - 1]);
    return after + 1;
}

void SlotPlan::reorder(bool weights_float) {
    std::vector<SlotLine> lines;
    int peak = 0;
    for (int device = 0; device < devices_; ++device) {
        lines.emplace_back(slots_[device], weights_float);
        peak = std::max(peak, lines.back().peak());
    }
    enum class Phase { warm_up, steady, drain } phase = Phase::warm_up;
    for (const Entry& entry : by_slot(weights_float ? kPasses : kPasses + 1)) {
        if (phase == Phase::warm_up && entry.kind == kBackwardDown && entry.device == 0)
            phase = Phase::steady;
        if (phase == Phase::steady) {
            if (entry.kind == kForwardDown && entry.micro_batch == micro_batches_ - 1) phase = Phase::drain;
            continue;
        }
        if (phase == Phase::warm_up && weights_float) continue;
        slots_[entry.device][entry.kind][entry.micro_batch] =
            lines[entry.device].move_forward(entry.slot, earliest_slot(entry), peak);
    }
}

void SlotPlan::reorder_with_weights() {
    for (int device = 0; device < devices_; ++device) place_weights(device);
    reorder(false);
    squeeze();
}

void SlotPlan::reorder_drain() {
    reorder(true);
    for (int device = 0; device < devices_; ++device) place_weights(device);
    squeeze();
}

/// Every action starts in the first slot after its dependencies and after the action before it.
void SlotPlan::squeeze() {
    std::vector<int> next(static_cast<std::size_t>(devices_), 0);
    for (const Entry& entry : by_slot(kPasses + 1)) {
        int slot = std::max(next[entry.device], entry.kind < kPasses ? earliest_slot(entry) : 0);
        slots_[entry.device][entry.kind][entry.micro_batch] = slot;
        next[entry.device] = slot + 1;
    }
}

std::vector<std::vector<Action>> SlotPlan::orders() const {
    std::vector<std::vector<Action>> orders(static_cast<std::size_t>(devices_));
    for (int device = 0; device < devices_; ++device) {
        const int stage[2] = {device, 2 * devices_ - 1 - device};
        const int last = last_slot(device);
        std::vector<Entry> at(static_cast<std::size_t>(last) + 1, Entry{.kind = kFree});
        for (int kind = 0; kind < kPasses; ++kind)
            for (int k = 0; k < micro_batches_; ++k)
                at[slots_[device][kind][k]] = {.kind = kind, .micro_batch = k};
        int ready[2] = {0, 0};  // Bs done, of the stage up and the stage down
        int done[2] = {0, 0};   // Ws done
        const auto put_weight = [&](int way) {
            orders[device].push_back({ActionKind::backward_weight, done[way]++, stage[1 - way]});
        };
        for (const Entry& entry : at) {
            const int k = entry.micro_batch;
            switch (entry.kind) {
                case kForwardDown:
                    orders[device].push_back({ActionKind::forward, k, stage[0]});
                    break;
                case kForwardUp:
                    orders[device].push_back({ActionKind::forward, k, stage[1]});
                    break;
                case kBackwardUp:
                    orders[device].push_back({ActionKind::backward_input, k, stage[1]});
                    ++ready[0];
                    break;
                case kBackwardDown:
                    orders[device].push_back({ActionKind::backward_input, k, stage[0]});
                    ++ready[1];
                    break;
                default:
                    if (done[0] < ready[0])
                        put_weight(0);
                    else if (done[1] < ready[1])
                        put_weight(1);
            }
        }
        for (int way : {0, 1})
            while (done[way] < ready[way]) put_weight(way);
    }
    return orders;
}

}  // namespace orrery::schedules
