// schedules/grouped_interleaved.cpp
//
// Grouped interleaving (Wan et al. 2025, "PipeOffload", section on generalised interleaving; the building
// block is that of sail-sg's group_interleaved_1f1b.py): interleaved 1F1B in which g micro-batches instead of
// p go through one chunk before the next. F, B and W, which follows its B at once, take a slot each: the
// micro-batches of a group are three slots apart, chunks 3g and groups 3gv; device s lies one slot (F) or,
// going back, two slots behind its neighbour. Smaller groups hold fewer activations: about ((v-1)g + p-s)/v
// micro-batches on device s. The variant is g, from half of the stages (the default: the least memory) to all
// of them.
#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/interleaved.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

int group_size(const PipelineShape& shape) {
    const int least = (shape.devices + 1) / 2;
    if (shape.variant.empty()) return least;
    int group = 0;
    const char* const end = shape.variant.data() + shape.variant.size();
    const auto [rest, error] = std::from_chars(shape.variant.data(), end, group);
    if (error != std::errc() || rest != end || group < least || group > shape.devices)
        throw InputError(
            {}, "variant",
            fmt::format("grouped-interleaved expects a group of {} to {} micro-batches, not '{}'", least,
                        shape.devices, shape.variant.substr(0, 40)));
    return group;
}

/// The orders of all devices. The i-th forward of a device and its i-th backward lie offset(i) slots behind
/// its first ones, so that the order is the two sequences merged.
class Block {
  public:
    Block(const PipelineShape& shape, int group)
        : shape_(shape),
          group_(group),
          forwards_(interleaved_sequence(shape, 0, group, ActionKind::forward)),
          backwards_(interleaved_sequence(shape, 0, group, ActionKind::backward_input)) {
        for (const Action& forward : forwards_)
            offsets_.push_back(offset(forward.stage / shape.devices, forward.micro_batch));
    }

    std::vector<Action> order(int device) const {
        const int first_backward = offset(shape_.chunks - 1, 0) + 3 * (shape_.devices - 1 - device) + 1;
        std::vector<Action> order;
        order.reserve(3 * offsets_.size());
        const auto put = [&](Action action) {
            action.stage += device;
            order.push_back(action);
        };
        std::size_t forward = 0;
        for (std::size_t i = 0; i < offsets_.size(); ++i) {
            for (; forward < offsets_.size() && offsets_[forward] < first_backward + offsets_[i]; ++forward)
                put(forwards_[forward]);
            Action backward = backwards_[i];
            put(backward);
            backward.kind = ActionKind::backward_weight;
            put(backward);
        }
        return order;
    }

  private:
    /// Slots behind the first forward of that device.
    int offset(int chunk, int k) const {
        return 3 * (group_ * chunk + k % group_ + group_ * shape_.chunks * (k / group_));
    }

    const PipelineShape& shape_;
    int group_;
    std::vector<Action> forwards_, backwards_;  ///< of device 0
    std::vector<int> offsets_;
};

}  // namespace

Schedule grouped_interleaved(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("grouped-interleaved", shape);
    require_whole_sequences("grouped-interleaved", shape);
    const Block block(shape, group_size(shape));
    for (int device = 0; device < shape.devices; ++device) schedule.orders[device] = block.order(device);
    return schedule;
}

}  // namespace orrery::schedules
