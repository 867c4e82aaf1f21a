// schedules/interleaved_overlap.cpp
//
// Interleaved 1F1B in which a forward and the backward of another micro-batch run as one overlapped unit
// (Megatron-LM's overlap_moe_expert_parallel_comm; with v = 1 the 1F1B with overlapped pairs): one more
// forward ahead than interleaved 1F1B, 2(p-s-1) + (v-1)n + 1, so that the two of a pair never depend on each
// other. Peak with v = 1: min(2(p-s), m).
#include <algorithm>

#include "schedules/generators.hpp"
#include "schedules/interleaved.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// Joins every forward behind the warm-up that is directly followed by a backward into a unit with it.
void overlap_pairs(std::vector<Action>& order, std::size_t warm_up) {
    std::int32_t unit = 0;
    for (std::size_t i = warm_up; i + 1 < order.size(); ++i)
        if (order[i].kind == ActionKind::forward && order[i + 1].kind == ActionKind::backward)
            order[i].overlap = order[i + 1].overlap = unit++;
}

}  // namespace

Schedule interleaved_overlap(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("interleaved-1f1b-overlap", shape);
    require_whole_sequences("interleaved-1f1b-overlap", shape);
    const int group =
        shape.chunks == 1 ? shape.micro_batches : interleaving_group("interleaved-1f1b-overlap", shape);
    for (int device = 0; device < shape.devices; ++device) {
        auto& order = schedule.orders[device];
        const auto forwards = interleaved_sequence(shape, device, group, ActionKind::forward);
        const int ahead = 2 * (shape.devices - device - 1) + (shape.chunks - 1) * group + 1;
        append_one_f_one_b(order, forwards, interleaved_sequence(shape, device, group, ActionKind::backward),
                           ahead);
        overlap_pairs(order, std::min(static_cast<std::size_t>(ahead), forwards.size()));
    }
    return schedule;
}

}  // namespace orrery::schedules
