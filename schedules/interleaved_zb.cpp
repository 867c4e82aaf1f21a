// schedules/interleaved_zb.cpp
//
// Interleaved ZB1P (PyTorch's ScheduleInterleavedZeroBubble): the interleaved sequence of chunks with the
// warm-up p-s-1 + (v-1)n of a plain pipeline (n: the interleaving group), W on device s delayed by s actions.
// Bubble for F = B = W: (p-1)(F+B-W)/v.
#include "schedules/generators.hpp"
#include "schedules/interleaved.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule interleaved_zb(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("interleaved-zb", shape);
    require_whole_sequences("interleaved-zb", shape);
    const int group = interleaving_group("interleaved-zb", shape);
    for (int device = 0; device < shape.devices; ++device) {
        std::vector<Action> joined;
        append_one_f_one_b(joined, interleaved_sequence(shape, device, group, ActionKind::forward),
                           interleaved_sequence(shape, device, group, ActionKind::backward),
                           shape.devices - device - 1 + (shape.chunks - 1) * group);
        schedule.orders[device] = split_backwards(joined, device);
    }
    return schedule;
}

}  // namespace orrery::schedules
