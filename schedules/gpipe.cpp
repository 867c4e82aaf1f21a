// schedules/gpipe.cpp
//
// GPipe (Huang et al. 2019, section 2.3): all forwards, then all backwards. Every device holds all m
// micro-batches. Bubble: (p-1)(F+B+W), whatever order the backwards have. Variants: "fifo" (PyTorch) runs
// the backwards in the order of the forwards, "lifo" (the original) in reverse, "recompute" in reverse with
// each micro-batch's forward run again just before (the original's re-materialisation, section 2.3; what is
// kept then is a micro-batch's input): the bubble grows by (p-1) recomputations.
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule gpipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("gpipe", shape);
    require_chunks("gpipe", shape, 1);
    require_whole_sequences("gpipe", shape);
    const std::string variant = require_variant("gpipe", shape, {"fifo", "lifo", "recompute"});
    const int m = shape.micro_batches;
    for (int stage = 0; stage < shape.devices; ++stage) {
        auto& order = schedule.orders[stage];
        order.reserve(std::size_t{variant == "recompute" ? 3U : 2U} * m);
        for (int k = 0; k < m; ++k) order.push_back({ActionKind::forward, k, stage});
        for (int i = 0; i < m; ++i) {
            const int k = variant == "fifo" ? i : m - 1 - i;
            if (variant == "recompute") order.push_back({ActionKind::recompute, k, stage});
            order.push_back({ActionKind::backward, k, stage});
        }
    }
    return schedule;
}

}  // namespace orrery::schedules
