// schedules/slot_plan.hpp
//
// A building block repeated for m micro-batches, as slots on a unit-time grid, and the passes that shorten
// its warm-up and drain without raising its memory (Qi et al. 2024, "Pipeline Parallelism with Controllable
// Memory", section 4 and appendix).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "schedules/building_block.hpp"

namespace orrery::schedules {

/// Kinds of a device's actions on the grid. While the passes run, W of both chunks is one kind: only when a W
/// is done counts, not of which chunk.
enum GridKind : int { kForwardDown, kForwardUp, kBackwardUp, kBackwardDown, kWeight };

class SlotPlan {
  public:
    SlotPlan(const BuildingBlock& block, int micro_batches);

    /// Puts a W into each free slot that has a B without W before it, and moves the actions outside the
    /// steady phase into the earliest free slots that their dependencies and the memory of the block allow.
    void reorder_with_weights();
    /// Forgets the Ws and moves the actions behind the steady phase once more, W floating in what stays free.
    void reorder_drain();
    /// Order of the slots on every device, W in the free slots, those of the stage on the way up first.
    [[nodiscard]] std::vector<std::vector<Action>> orders() const;

  private:
    struct Entry {
        int slot = 0;
        int device = 0;
        int kind = 0;
        int micro_batch = 0;
    };
    /// slot[kind][micro-batch] of one device; W: of its n-th.
    using Slots = std::array<std::vector<int>, 5>;
    /// What the slots of one device hold, in packed form; kEmpty: nothing.
    using Cells = std::vector<std::int32_t>;

    [[nodiscard]] Cells cells(int device, int kinds) const;
    /// Calls visit(entry) for every action of the first `kinds` kinds, by slot, then device. What the visit
    /// moves to an earlier slot is not met again.
    template <class Visit>
    void for_each_by_slot(int kinds, Visit visit) const;
    [[nodiscard]] int last_slot(int device) const;
    static int nth_of_both(const std::vector<int>& a, const std::vector<int>& b, int n);
    [[nodiscard]] int earliest_slot(const Entry& entry) const;
    void place_weights(int device);
    void reorder(bool weights_float);
    void squeeze();

    int devices_;
    int micro_batches_;
    std::vector<Slots> slots_;
};

}  // namespace orrery::schedules
