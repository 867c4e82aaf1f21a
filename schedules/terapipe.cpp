// schedules/terapipe.cpp
//
// TeraPipe (Li et al. 2021, section 3): GPipe over micro-batches x token slices. A causal model can run slice
// i+1 of a sequence on stage s while slice i is on stage s+1; the backwards run in exactly the reverse order,
// since a slice's keys and values collect gradients from all later slices. Bubble with slices of equal time:
// (p-1)(F+B+W)/q. The dynamic program for slices of unequal length is in schedules/terapipe_slices.hpp.
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule terapipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("terapipe", shape);
    require_chunks("terapipe", shape, 1);
    for (int stage = 0; stage < shape.devices; ++stage) {
        auto& order = schedule.orders[stage];
        order.reserve(std::size_t{2} * shape.micro_batches * shape.slices);
        for (int k = 0; k < shape.micro_batches; ++k)
            for (int slice = 0; slice < shape.slices; ++slice)
                order.push_back({ActionKind::forward, k, stage, slice});
        for (int k = shape.micro_batches - 1; k >= 0; --k)
            for (int slice = shape.slices - 1; slice >= 0; --slice)
                order.push_back({ActionKind::backward, k, stage, slice});
    }
    return schedule;
}

}  // namespace orrery::schedules
