// schedules/breadth_first.cpp
//
// Breadth-first pipeline parallelism (Lamy-Poirier 2023, section 4): all m forwards of chunk 0, of chunk 1,
// ...; then all backwards of the last chunk, of the one before, ... Each device touches each chunk's weights
// once per direction, which is what makes it fit fully sharded weights. Bubble: (p-1)(F+B+W)/v for m >= p;
// every activation of the batch is held. Variants: "fifo" runs the backwards of a chunk in the order of the
// forwards, "lifo" (PyTorch's ScheduleLoopedBFS) in reverse.
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule breadth_first(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("breadth-first", shape);
    require_whole_sequences("breadth-first", shape);
    const bool reverse = require_variant("breadth-first", shape, {"fifo", "lifo"}) == "lifo";
    const int m = shape.micro_batches;
    for (int device = 0; device < shape.devices; ++device) {
        auto& order = schedule.orders[device];
        order.reserve(std::size_t{2} * m * shape.chunks);
        for (int chunk = 0; chunk < shape.chunks; ++chunk)
            for (int k = 0; k < m; ++k)
                order.push_back({ActionKind::forward, k, chunk * shape.devices + device});
        for (int chunk = shape.chunks - 1; chunk >= 0; --chunk)
            for (int k = 0; k < m; ++k)
                order.push_back(
                    {ActionKind::backward, reverse ? m - 1 - k : k, chunk * shape.devices + device});
    }
    return schedule;
}

}  // namespace orrery::schedules
