// schedules/interleaved_one_f_one_b.cpp
//
// Interleaved 1F1B with v virtual stages per device (Narayanan et al. 2021, section 2.2.2; the order is that
// of Megatron-LM's get_schedule_table): groups of n micro-batches (n = p where p divides m) go through one
// chunk after the other; device s runs 2(p-s-1) + (v-1)n chunk-forwards ahead, then alternates.
// Bubble where p divides m: (p-1)(F+B+W)/v. Peak on device s: min(2(p-s-1) + (v-1)p + 1, m v)/v.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/interleaved.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

int interleaving_group(std::string_view name, const PipelineShape& shape) {
    const int p = shape.devices;
    const int m = shape.micro_batches;
    if (m < p)
        throw InputError(
            {}, "microbatches",
            fmt::format("{} needs at least as many micro-batches as stages: {} or more, not {}", name, p, m));
    int group = p;
    while (m % group != 0 && m % group < p) ++group;
    return group;
}

std::vector<Action> interleaved_sequence(const PipelineShape& shape, int device, int group, ActionKind kind) {
    std::vector<Action> sequence;
    sequence.reserve(static_cast<std::size_t>(shape.micro_batches) * shape.chunks);
    for (int first = 0; first < shape.micro_batches; first += group)
        for (int i = 0; i < shape.chunks; ++i) {
            const int chunk = kind == ActionKind::forward ? i : shape.chunks - 1 - i;
            for (int k = first; k < std::min(first + group, shape.micro_batches); ++k)
                sequence.push_back({kind, k, chunk * shape.devices + device});
        }
    return sequence;
}

Schedule interleaved_one_f_one_b(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("interleaved-1f1b", shape);
    require_whole_sequences("interleaved-1f1b", shape);
    const int p = shape.devices;
    const int group = interleaving_group("interleaved-1f1b", shape);
    for (int device = 0; device < p; ++device)
        append_one_f_one_b(schedule.orders[device],
                           interleaved_sequence(shape, device, group, ActionKind::forward),
                           interleaved_sequence(shape, device, group, ActionKind::backward),
                           2 * (p - device - 1) + (shape.chunks - 1) * group);
    return schedule;
}

}  // namespace orrery::schedules
