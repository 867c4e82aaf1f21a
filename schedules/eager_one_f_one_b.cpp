// schedules/eager_one_f_one_b.cpp
//
// Eager 1F1B (Zhuang et al. 2023, "On Optimizing the Communication of Model Parallelism", section 4): stage s
// runs 2(p-s-1) forwards ahead instead of p-s-1, so that a transfer of latency c hides behind a forward: the
// bubble is (p-1)(F+B+W) + 2(p-1)c, without 1F1B's stall of 2c for every p micro-batches. In flight:
// min(2(p-s)-1, m).
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule eager_one_f_one_b(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("eager-1f1b", shape);
    require_chunks("eager-1f1b", shape, 1);
    require_whole_sequences("eager-1f1b", shape);
    for (int stage = 0; stage < shape.devices; ++stage)
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches,
                           2 * (shape.devices - stage - 1));
    return schedule;
}

}  // namespace orrery::schedules
