// schedules/chimera.cpp
//
// Chimera (Li and Hoefler 2021, section 3): two pipelines over the same devices in opposite directions, each
// device holding one stage of either (two copies of the weights). A unit is p forwards, half of them down,
// half up, placed on a grid of slots: the i-th of a direction is on stage s in slot s+2i, its backward in
// slot 2p-1-s+2i; the two directions' slots never meet since p is even. Larger batches repeat units 2p slots
// apart, so that the next unit's forwards fill the last one's holes. Variants (section 3.5):
//
// "direct"    one micro-batch a forward. Bubble for B+W >= F and m = K p: (p-2)(F + K(B+W-F)), that is
//             (p-2)(K+1)F for B+W = 2F.
// "doubling"  a forward is two micro-batches in one unit of work, so that a slot of F is as long as one of
//             B+W = 2F; their backwards lie p slots apart and units 3p. Bubble for B+W = 2F: 2(p-2)F,
//             whatever K. Twice the activations.
// "halving"   the same with the two halves of one micro-batch (two slices): backwards of half a micro-batch.
//
// The paper shows the last two by example; the slots above are derived from it and checked against those
// closed forms.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// What runs in one forward slot: one action, or the two of a doubled forward in backward order.
struct Group {
    std::vector<Action> members;
};

struct Slotted {
    int slot = 0;
    Action action;
};

/// The forwards of the batch in the order in which they enter the pipelines.
std::vector<Group> groups(const PipelineShape& shape, const std::string& variant) {
    std::vector<Group> all;
    const int m = shape.micro_batches;
    if (variant == "doubling")
        for (int k = 0; k < m; k += 2)
            all.push_back({{{ActionKind::forward, k, 0, 0}, {ActionKind::forward, k + 1, 0, 0}}});
    else if (variant == "halving")  // the gradient of the first half needs that of the second
        for (int k = 0; k < m; ++k)
            all.push_back({{{ActionKind::forward, k, 0, 1}, {ActionKind::forward, k, 0, 0}}});
    else
        for (int k = 0; k < m; ++k) all.push_back({{{ActionKind::forward, k, 0, 0}}});
    return all;
}

class DeviceOrder {
  public:
    DeviceOrder(int devices, int device) : p_(devices), device_(device) {}

    /// The j-th group of a unit, of `each_way` that go down.
    void add(const Group& group, int unit, int j, int each_way) {
        const std::int8_t direction = j < each_way ? 0 : 1;
        const int i = direction == 0 ? j : j - each_way;
        const int stage = direction == 0 ? device_ : p_ - 1 - device_;
        const int size = static_cast<int>(group.members.size());
        const int base = (size + 1) * p_ * unit + 2 * i;
        for (int member = 0; member < size; ++member) {
            Action action = group.members[member];
            action.stage = stage;
            action.direction = direction;
            action.kind = ActionKind::backward;
            slots_.push_back({base + (2 + member) * p_ - 1 - stage, action});
        }
        // Token order within the unit: the first half before the second.
        for (int member = size - 1; member >= 0; --member) {
            const int first = group.members[0].slice > 0 ? member : size - 1 - member;
            Action action = group.members[first];
            action.stage = stage;
            action.direction = direction;
            if (size > 1) action.overlap = pairs_;
            slots_.push_back({base + stage, action});
        }
        ++pairs_;
    }

    std::vector<Action> order() {
        std::stable_sort(slots_.begin(), slots_.end(),
                         [](const Slotted& a, const Slotted& b) { return a.slot < b.slot; });
        std::vector<Action> actions;
        for (const Slotted& slotted : slots_) actions.push_back(slotted.action);
        return actions;
    }

  private:
    int p_;
    int device_;
    std::int32_t pairs_ = 0;
    std::vector<Slotted> slots_;
};

void require_legal(const PipelineShape& shape, const std::string& variant) {
    require_chunks("chimera", shape, 1);
    if (shape.devices % 2 != 0)
        throw InputError({}, "stages",
                         fmt::format("chimera needs an even number of stages, not {}", shape.devices));
    if (variant == "halving") {
        if (shape.slices != 2)
            throw InputError({}, "slices",
                             fmt::format("chimera's backward halving needs 2 slices, not {}", shape.slices));
        return;
    }
    require_whole_sequences("chimera", shape);
    if (variant == "doubling" && shape.micro_batches % 2 != 0)
        throw InputError(
            {}, "microbatches",
            fmt::format("chimera's forward doubling needs an even number of micro-batches, not {}",
                        shape.micro_batches));
}

}  // namespace

Schedule chimera(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("chimera", shape);
    const std::string variant = require_variant("chimera", shape, {"direct", "doubling", "halving"});
    require_legal(shape, variant);
    const int p = shape.devices;
    schedule.placement.push_back(reversed_placement(p));
    schedule.weight_copies = 2;
    const std::vector<Group> all = groups(shape, variant);
    const int count = static_cast<int>(all.size());
    for (int device = 0; device < p; ++device) {
        DeviceOrder order(p, device);
        for (int n = 0; n < count; ++n) {
            const int unit = n / p;
            const int in_unit = std::min(p, count - unit * p);
            order.add(all[n], unit, n - unit * p, (in_unit + 1) / 2);
        }
        schedule.orders[device] = order.order();
    }
    return schedule;
}

}  // namespace orrery::schedules
