// schedules/chimera.cpp
//
// Chimera (Li and Hoefler 2021, section 3.1): two pipelines over the same devices in opposite directions,
// each device holding one stage of either (two copies of the weights). A unit is p micro-batches, half of
// them down, half up, placed on a grid of slots: the i-th of a direction has its forward on stage s in slot
// s+2i and its backward in slot 2p-1-s+2i; the two directions' slots never meet since p is even. Larger
// batches concatenate units directly, 2p slots apart (section 3.5), so that the next unit's forwards fill
// the last unit's holes.
//
// Bubble in slots, for F = B+W: p-2. For B+W = 2F and m = K p: (p-2)(K+1)F.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

struct Slotted {
    int slot = 0;
    Action action;
};

std::vector<Slotted> unit_actions(const PipelineShape& shape, int device, int unit) {
    const int p = shape.devices;
    const int in_unit = std::min(p, shape.micro_batches - unit * p);
    const int each_way = (in_unit + 1) / 2;
    std::vector<Slotted> actions;
    for (int j = 0; j < in_unit; ++j) {
        const std::int8_t direction = j < each_way ? 0 : 1;
        const int i = direction == 0 ? j : j - each_way;
        const int stage = direction == 0 ? device : p - 1 - device;
        const int k = unit * p + j;
        const int base = 2 * p * unit + 2 * i;
        actions.push_back({base + stage, {ActionKind::forward, k, stage, 0, -1, direction}});
        actions.push_back({base + 2 * p - 1 - stage, {ActionKind::backward, k, stage, 0, -1, direction}});
    }
    return actions;
}

}  // namespace

Schedule chimera(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("chimera", shape);
    require_chunks("chimera", shape, 1);
    require_whole_sequences("chimera", shape);
    const int p = shape.devices;
    if (p % 2 != 0)
        throw InputError({}, "stages", fmt::format("chimera needs an even number of stages, not {}", p));
    schedule.placement.push_back(reversed_placement(p));
    schedule.weight_copies = 2;
    for (int device = 0; device < p; ++device) {
        std::vector<Slotted> actions;
        for (int unit = 0; unit * p < shape.micro_batches; ++unit) {
            const auto more = unit_actions(shape, device, unit);
            actions.insert(actions.end(), more.begin(), more.end());
        }
        std::stable_sort(actions.begin(), actions.end(),
                         [](const Slotted& a, const Slotted& b) { return a.slot < b.slot; });
        for (const Slotted& slotted : actions) schedule.orders[device].push_back(slotted.action);
    }
    return schedule;
}

}  // namespace orrery::schedules
