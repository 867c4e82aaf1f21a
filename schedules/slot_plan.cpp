#include "schedules/slot_plan.hpp"

#include <algorithm>

namespace orrery::schedules {
namespace {

constexpr int kFree = -1;
constexpr int kPasses = 4;  ///< kinds other than W

/// Kind and micro-batch of an action in one number.
constexpr std::int32_t kEmpty = -1;
std::int32_t pack(int kind, int micro_batch) {
    return micro_batch * 8 + kind;
}
int kind_of(std::int32_t cell) {
    return cell % 8;
}
int micro_batch_of(std::int32_t cell) {
    return cell / 8;
}

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

SlotPlan::Cells SlotPlan::cells(int device, int kinds) const {
    int last = last_slot(device);
    if (const auto& weights = slots_[device][kWeight]; kinds > kWeight && !weights.empty())
        last = std::max(last, weights.back());
    Cells cells(static_cast<std::size_t>(last) + 1, kEmpty);
    for (int kind = 0; kind < kinds; ++kind)
        for (std::size_t k = 0; k < slots_[device][kind].size(); ++k)
            cells[slots_[device][kind][k]] = pack(kind, static_cast<int>(k));
    return cells;
}

template <class Visit>
void SlotPlan::for_each_by_slot(int kinds, Visit visit) const {
    std::vector<Cells> grid;
    std::size_t length = 0;
    for (int device = 0; device < devices_; ++device) {
        grid.push_back(cells(device, kinds));
        length = std::max(length, grid.back().size());
    }
    for (std::size_t slot = 0; slot < length; ++slot)
        for (int device = 0; device < devices_; ++device) {
            if (slot >= grid[device].size() || grid[device][slot] == kEmpty) continue;
            const std::int32_t cell = grid[device][slot];
            visit(Entry{static_cast<int>(slot), device, kind_of(cell), micro_batch_of(cell)});
        }
}

int SlotPlan::last_slot(int device) const {
    int last = 0;
    for (int kind = 0; kind < kPasses; ++kind) last = std::max(last, slots_[device][kind].back());
    return last;
}

void SlotPlan::place_weights(int device) {
    std::vector<int>& weights = slots_[device][kWeight];
    weights.clear();
    int slot = 0;
    int pending = 0;
    for (const std::int32_t cell : cells(device, kPasses)) {
        if (cell == kEmpty && pending > 0) {
            weights.push_back(slot);
            --pending;
        } else if (cell != kEmpty && (kind_of(cell) == kBackwardUp || kind_of(cell) == kBackwardDown)) {
            ++pending;
        }
        ++slot;
    }
    for (; pending > 0; --pending) weights.push_back(slot++);
}

/// Slot of the n-th, counted from 0, of two ascending lists without common members.
int SlotPlan::nth_of_both(const std::vector<int>& a, const std::vector<int>& b, int n) {
    // How many of the first n + 1 are of `a`: by bisection, more while the next of `a` comes first.
    int low = std::max(0, n + 1 - static_cast<int>(b.size()));
    int high = std::min(n + 1, static_cast<int>(a.size()));
    while (low < high) {
        const int of_a = (low + high) / 2;
        if (a[of_a] < b[n - of_a])
            low = of_a + 1;
        else
            high = of_a;
    }
    return std::max(low > 0 ? a[low - 1] : -1, low <= n ? b[n - low] : -1);
}

int SlotPlan::earliest_slot(const Entry& entry) const {
    const auto& own = slots_[entry.device];
    int after = -1;
    if (entry.kind < kPasses) {
        const int from = upstream(entry.kind, entry.device);
        if (from >= 0 && from < devices_) after = slots_[from][entry.kind][entry.micro_batch];
        if (entry.kind > 0) after = std::max(after, own[entry.kind - 1][entry.micro_batch]);
    } else {
        // The n-th W follows the n-th B of either chunk.
        after = nth_of_both(own[kBackwardUp], own[kBackwardDown], entry.micro_batch);
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
    for_each_by_slot(weights_float ? kPasses : kPasses + 1, [&](const Entry& entry) {
        if (phase == Phase::warm_up && entry.kind == kBackwardDown && entry.device == 0)
            phase = Phase::steady;
        if (phase == Phase::steady) {
            if (entry.kind == kForwardDown && entry.micro_batch == micro_batches_ - 1) phase = Phase::drain;
            return;
        }
        if (phase == Phase::warm_up && weights_float) return;
        slots_[entry.device][entry.kind][entry.micro_batch] =
            lines[entry.device].move_forward(entry.slot, earliest_slot(entry), peak);
    });
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
    for_each_by_slot(kPasses + 1, [&](const Entry& entry) {
        const int slot = std::max(next[entry.device], entry.kind < kPasses ? earliest_slot(entry) : 0);
        slots_[entry.device][entry.kind][entry.micro_batch] = slot;
        next[entry.device] = slot + 1;
    });
}

std::vector<std::vector<Action>> SlotPlan::orders() const {
    std::vector<std::vector<Action>> orders(static_cast<std::size_t>(devices_));
    for (int device = 0; device < devices_; ++device) {
        const int stage[2] = {device, 2 * devices_ - 1 - device};
        orders[device].reserve(std::size_t{6} * micro_batches_);
        int ready[2] = {0, 0};  // Bs done, of the stage up and the stage down
        int done[2] = {0, 0};   // Ws done
        const auto put_weight = [&](int way) {
            orders[device].push_back({ActionKind::backward_weight, done[way]++, stage[1 - way]});
        };
        for (const std::int32_t cell : cells(device, kPasses)) {
            const int k = micro_batch_of(cell);
            switch (cell == kEmpty ? kFree : kind_of(cell)) {
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
