// schedules/gpipe.cpp
//
// GPipe (Huang et al. 2019, section 2.3): all forwards, then all backwards. Every device holds all m
// micro-batches. Bubble: (p-1)(F+B+W), whatever order the backwards have. Variants: "fifo" (PyTorch) runs
// the backwards in the order of the forwards, "lifo" (the original) in reverse.
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule gpipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("gpipe", shape);
    require_chunks("gpipe", shape, 1);
    require_whole_sequences("gpipe", shape);
    const bool reverse = require_variant("gpipe", shape, {"fifo", "lifo"}) == "lifo";
    const int m = shape.micro_batches;
    for (int stage = 0; stage < shape.devices; ++stage) {
        auto& order = schedule.orders[stage];
        for (int k = 0; k < m; ++k) order.push_back({ActionKind::forward, k, stage});
        for (int k = 0; k < m; ++k) order.push_back({ActionKind::backward, reverse ? m - 1 - k : k, stage});
    }
    return schedule;
}

}  // namespace orrery::schedules
