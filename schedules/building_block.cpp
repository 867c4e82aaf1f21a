#include "schedules/building_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "schedules/slot_plan.hpp"

namespace orrery::schedules {

bool collides(const BuildingBlock& block) {
    for (const auto& slots : block.slots)
        for (int a = 0; a < 4; ++a)
            for (int b = 0; b < a; ++b)
                if ((slots[a] - slots[b]) % 6 == 0) return true;
    return false;
}

BuildingBlock building_block(int devices, const BlockOffsets& offsets) {
    BuildingBlock block;
    block.slots.resize(static_cast<std::size_t>(devices));
    int slot = 0;
    for (int pass = 0; pass < 4; ++pass) {
        for (int i = 0; i < devices; ++i) {
            const int device = pass % 2 == 0 ? i : devices - 1 - i;
            block.slots[device][pass] = slot;
            if (i + 1 == devices) continue;
            const int hop = pass % 2 == 0 ? i : devices - 2 - i;
            slot += (hop < offsets.near_hops ? offsets.between_devices : offsets.between_far_devices)[pass];
        }
        if (pass < 3) slot += offsets.at_turns[pass];
    }
    return block;
}

BlockOffsets with_shortest_turns(int devices, const std::array<int, 4>& between_devices) {
    std::vector<std::array<int, 3>> turns;
    for (int a = 1; a <= 6; ++a)
        for (int b = 1; b <= 6; ++b)
            for (int c = 1; c <= 6; ++c) turns.push_back({a, b, c});
    std::stable_sort(turns.begin(), turns.end(), [](const auto& x, const auto& y) {
        return std::accumulate(x.begin(), x.end(), 0) < std::accumulate(y.begin(), y.end(), 0);
    });
    for (const auto& turn : turns) {
        const BlockOffsets offsets{between_devices, turn};
        if (!collides(building_block(devices, offsets))) return offsets;
    }
    throw InputError({}, "variant",
                     fmt::format("offsets {} leave no turn without a collision on {} devices",
                                 fmt::join(between_devices, ","), devices));
}

std::vector<std::vector<Action>> repeat_block(const BuildingBlock& block, int micro_batches) {
    SlotPlan plan(block, micro_batches);
    plan.reorder_with_weights();
    plan.reorder_drain();
    return plan.orders();
}

}  // namespace orrery::schedules
