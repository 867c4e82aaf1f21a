// schedules/one_f_one_b_v.cpp
//
// 1F1B-V (Qi et al. 2024, "Pipeline Parallelism with Controllable Memory", appendix on schedules without
// split backwards; the rule is that of sail-sg's v1f1b.py): stages placed in a V, backwards joined. The
// building block gives F one slot and a joined backward two; the forwards of a micro-batch follow each other
// from device to device without a pause, its backwards in groups of three devices with a pause of three slots
// behind each, so that the block repeats every six slots. Then every action moves to the earliest free slot
// behind what it depends on, a forward only as far as the block's peak memory, about 2p/3 micro-batches,
// allows.
#include <algorithm>
#include <array>

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// Passes of a micro-batch over a device, in order: down, up, then the gradients down and up.
enum Pass : int { kForwardDown, kForwardUp, kBackwardUp, kBackwardDown, kPasses };
constexpr int kPeriod = 6;
constexpr int kFree = -1;
constexpr int kRest = kPasses;  ///< the second slot of a backward

/// slots[device][pass] of micro-batch 0.
std::vector<std::array<int, kPasses>> block_slots(int devices) {
    std::vector<std::array<int, kPasses>> slots(static_cast<std::size_t>(devices));
    int slot = 0;
    for (int i = 0; i < devices; ++i) slots[i][kForwardDown] = slot++;
    for (int i = devices; i-- > 0;) slots[i][kForwardUp] = slot++;
    if (devices % 3 == 0) slot += 3;  // without it the passes would collide
    int in_group = (6 - (devices + 2) % 3) % 3;
    const auto backward = [&](int device, int pass) {
        slots[device][pass] = slot;
        slot += 2;
        if (++in_group == 3) {
            in_group = 0;
            slot += 3;
        }
    };
    for (int i = 0; i < devices; ++i) backward(i, kBackwardUp);
    for (int i = devices; i-- > 0;) backward(i, kBackwardDown);
    return slots;
}

class Packing {
  public:
    explicit Packing(Schedule& schedule) : schedule_(schedule), p_(schedule.devices) {
        const auto block = block_slots(p_);
        int last = 0;
        for (const auto& slots : block) last = std::max(last, *std::max_element(slots.begin(), slots.end()));
        length_ = last + kPeriod * schedule.micro_batches + 2;
        cells_.assign(p_, std::vector<int>(length_, kFree));
        alive_.assign(p_, std::vector<int>(length_, 0));
        ends_.assign(p_, {});
        for (int device = 0; device < p_; ++device)
            for (int pass = 0; pass < kPasses; ++pass)
                for (int k = 0; k < schedule.micro_batches; ++k)
                    put(device, block[device][pass] + kPeriod * k, pass);
        for (int device = 0; device < p_; ++device) count_alive(device);
    }

    void run() {
        for (int slot = 0; slot < length_; ++slot)
            for (int device = 0; device < p_; ++device) {
                const int pass = cells_[device][slot];
                if (pass != kFree && pass != kRest) advance(device, slot, pass);
            }
        for (int device = 0; device < p_; ++device) write_order(device);
    }

  private:
    static bool is_forward(int pass) { return pass == kForwardDown || pass == kForwardUp; }
    static int width(int pass) { return is_forward(pass) ? 1 : 2; }

    void put(int device, int slot, int pass) {
        cells_[device][slot] = pass;
        if (!is_forward(pass)) cells_[device][slot + 1] = kRest;
    }
    void count_alive(int device) {
        int alive = 0;
        for (int slot = 0; slot < length_; ++slot) {
            const int pass = cells_[device][slot];
            alive += pass == kRest ? -1 : is_forward(pass) ? 1 : 0;
            alive_[device][slot] = alive;
            peak_ = std::max(peak_, alive);
        }
    }

    /// The first slot behind what the next action of this pass depends on.
    int earliest(int device, int pass) const {
        const std::size_t k = ends_[device][pass].size();
        const int from = pass % 2 == 0 ? device - 1 : device + 1;
        int slot = k > 0 ? ends_[device][pass][k - 1] : 0;
        if (from >= 0 && from < p_)
            slot = std::max(slot, ends_[from][pass][k]);
        else if (pass > 0)
            slot = std::max(slot, ends_[device][pass - 1][k]);
        return slot;
    }

    void advance(int device, int slot, int pass) {
        auto& cells = cells_[device];
        int to = earliest(device, pass);
        if (is_forward(pass)) {
            int within_memory = slot;
            while (within_memory > to && alive_[device][within_memory - 1] < peak_) --within_memory;
            to = within_memory;
            while (to < slot && cells[to] != kFree) ++to;
        } else {
            while (to < slot && (cells[to] != kFree || cells[to + 1] != kFree)) ++to;
        }
        if (to < slot) {
            for (int i = 0; i < width(pass); ++i) cells[slot + i] = kFree;
            put(device, to, pass);
            const int shift = is_forward(pass) ? 0 : 1;
            for (int i = to; i < slot; ++i) alive_[device][i + shift] += is_forward(pass) ? 1 : -1;
        }
        ends_[device][pass].push_back(std::min(to, slot) + width(pass));
    }

    void write_order(int device) {
        std::array<int, kPasses> done{};
        for (const int pass : cells_[device]) {
            if (pass == kFree || pass == kRest) continue;
            const bool down = pass == kForwardDown || pass == kBackwardDown;
            schedule_.orders[device].push_back({is_forward(pass) ? ActionKind::forward : ActionKind::backward,
                                                done[pass]++, down ? device : 2 * p_ - 1 - device});
        }
    }

    Schedule& schedule_;
    int p_;
    int length_ = 0;
    int peak_ = 0;
    std::vector<std::vector<int>> cells_;  ///< [device][slot]: the pass that starts there
    std::vector<std::vector<int>> alive_;  ///< [device][slot]: activations after it
    /// [device][pass][micro-batch]: end of what has its final place.
    std::vector<std::array<std::vector<int>, kPasses>> ends_;
};

}  // namespace

Schedule one_f_one_b_v(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("1f1b-v", shape);
    require_chunks("1f1b-v", shape, 2);
    require_whole_sequences("1f1b-v", shape);
    schedule.placement = {wave_placement(shape.devices, 2)};
    Packing(schedule).run();
    return schedule;
}

}  // namespace orrery::schedules
