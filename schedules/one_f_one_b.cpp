// schedules/one_f_one_b.cpp
//
// 1F1B (PipeDream-Flush; Narayanan et al. 2021, "Efficient Large-Scale Language Model Training", section
// 2.2.1): stage s runs p-s-1 forwards ahead, then alternates. In flight on stage s: at most min(p-s, m)
// micro-batches. Bubble: (p-1)(F+B+W).
#include "schedules/one_f_one_b.hpp"

#include <algorithm>

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

void append_one_f_one_b(std::vector<Action>& order, const std::vector<Action>& forwards,
                        const std::vector<Action>& backwards, int warm_up) {
    const std::size_t count = forwards.size();
    const std::size_t ahead = std::min(static_cast<std::size_t>(std::max(warm_up, 0)), count);
    order.reserve(order.size() + 2 * count);
    order.insert(order.end(), forwards.begin(), forwards.begin() + static_cast<std::ptrdiff_t>(ahead));
    for (std::size_t k = 0; k < count; ++k) {
        if (ahead + k < count) order.push_back(forwards[ahead + k]);
        order.push_back(backwards[k]);
    }
}

void append_one_f_one_b(std::vector<Action>& order, int stage, int micro_batches, int warm_up) {
    const int ahead = std::min(warm_up, micro_batches);
    order.reserve(order.size() + 2 * static_cast<std::size_t>(micro_batches));
    for (int k = 0; k < ahead; ++k) order.push_back({ActionKind::forward, k, stage});
    for (int k = 0; k < micro_batches; ++k) {
        if (ahead + k < micro_batches) order.push_back({ActionKind::forward, ahead + k, stage});
        order.push_back({ActionKind::backward, k, stage});
    }
}

Schedule one_f_one_b(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("1f1b", shape);
    require_chunks("1f1b", shape, 1);
    require_whole_sequences("1f1b", shape);
    const int p = shape.devices;
    for (int stage = 0; stage < p; ++stage)
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches, p - stage - 1);
    return schedule;
}

}  // namespace orrery::schedules
