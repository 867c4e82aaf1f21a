// schedules/seq_one_f_one_b.cpp
//
// Seq1F1B (Ao et al. 2024, section 3): 1F1B whose unit is a token slice. Forwards run through the slices of a
// micro-batch in order, backwards in reverse, so the first backward has to wait for the q-1 slices behind the
// first: stage s runs p-s-2+q slices ahead. Bubble with slices of equal time: (p-1)(F+B+W)/q; peak on stage
// s: min(p-s-1+q, m q)/q.
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule seq_one_f_one_b(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("seq1f1b", shape);
    require_chunks("seq1f1b", shape, 1);
    const int q = shape.slices;
    for (int stage = 0; stage < shape.devices; ++stage) {
        std::vector<Action> forwards;
        std::vector<Action> backwards;
        for (int k = 0; k < shape.micro_batches; ++k)
            for (int i = 0; i < q; ++i) {
                forwards.push_back({ActionKind::forward, k, stage, i});
                backwards.push_back({ActionKind::backward, k, stage, q - 1 - i});
            }
        append_one_f_one_b(schedule.orders[stage], forwards, backwards, shape.devices - stage - 2 + q);
    }
    return schedule;
}

}  // namespace orrery::schedules
