// schedules/building_block.hpp
//
// Schedules from a building block (Qi et al. 2024, "Pipeline Parallelism with Controllable Memory"): the
// actions of one micro-batch on V-placed stages get slots, the block repeats every six slots (F, B and W of
// two chunks), and the lifetime of a micro-batch in the block, divided by six, is the peak memory. Repeating,
// reordering warm-up and drain within that memory, and squeezing out the holes give the schedule.
#pragma once

#include <array>
#include <limits>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// slots[device] = slot of F on the way down, F on the way up, the first B (of the stage on the way up) and
/// the second B of micro-batch 0. On no device may two of them be equal modulo 6.
struct BuildingBlock {
    std::vector<std::array<int, 4>> slots;
};

/// Slots between neighbouring devices for each of the four passes, and between the passes at the turns
/// (last device down to up, device 0 F to B, last device B to B). Behind the first `near_hops` devices other
/// distances may hold: appendix A of the paper bends a block once to reach a memory between two uniform ones.
struct BlockOffsets {
    std::array<int, 4> between_devices{};
    std::array<int, 3> at_turns{};
    std::array<int, 4> between_far_devices{};
    int near_hops = std::numeric_limits<int>::max();
};

BuildingBlock building_block(int devices, const BlockOffsets& offsets);

/// Whether two actions would meet in a slot of some device when the block repeats.
bool collides(const BuildingBlock& block);

/// The offsets with the least sum of turns, each between 1 and 6, for which no two actions collide. Throws
/// InputError (key "variant") when there are none.
BlockOffsets with_shortest_turns(int devices, const std::array<int, 4>& between_devices);

/// Orders of all devices for m micro-batches. The order depends on the block alone, not on times.
std::vector<std::vector<Action>> repeat_block(const BuildingBlock& block, int micro_batches);

}  // namespace orrery::schedules
