// schedules/dapple.cpp
//
// DAPPLE (Fan et al. 2021, section 4.1): early backward, with K_i forwards before the first backward of stage
// i. Variant "a": K_i = min(p-i, D), for pipelines whose transfers are short; variant "b":
// K_i = min(2(p-i)-1, D), when they weigh as much as the computation. D is how many micro-batches fit into
// memory (the shape's memory limit). Peak on stage i: min(K_i, m). Bubble while D does not bind:
// (p-1)(F+B+W).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule dapple(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("dapple", shape);
    require_chunks("dapple", shape, 1);
    require_whole_sequences("dapple", shape);
    const bool wide = require_variant("dapple", shape, {"a", "b"}) == "b";
    double fitting = shape.micro_batches;
    if (shape.memory_limit) fitting = std::min(fitting, std::floor(*shape.memory_limit));
    if (fitting < 1)
        throw InputError({}, "memory-limit",
                         fmt::format("dapple needs room for one micro-batch, not {}", *shape.memory_limit));
    for (int stage = 0; stage < shape.devices; ++stage) {
        const int depth = shape.devices - stage;
        const int before_backward = std::min(wide ? 2 * depth - 1 : depth, static_cast<int>(fitting));
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches, before_backward - 1);
    }
    return schedule;
}

}  // namespace orrery::schedules
