// schedules/zb_h.cpp
//
// The handcrafted zero-bubble schedules (Qi et al. 2024, "Zero Bubble Pipeline Parallelism", section 2.2).
// ZB-H1 keeps the forwards and B of 1F1B and delays the W of stage s by s micro-batches: its bubble is
// (p-1)(F+B-W). ZB-H2 runs 2(p-s)-2 forwards ahead and delays W by 2s micro-batches: (p-1)(F+B-2W) in the
// span sense, for m >= 2p, with the optimizer's synchronisation postponed.
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

std::vector<Action> split_backwards(const std::vector<Action>& joined, int delay) {
    std::vector<Action> order;
    std::vector<Action> pending;
    order.reserve(joined.size() + joined.size() / 2);
    pending.reserve(joined.size() / 2);
    std::size_t done = 0;
    for (Action action : joined) {
        if (action.kind != ActionKind::backward) {
            order.push_back(action);
            continue;
        }
        action.kind = ActionKind::backward_input;
        order.push_back(action);
        action.kind = ActionKind::backward_weight;
        pending.push_back(action);
        if (pending.size() - done > static_cast<std::size_t>(delay)) order.push_back(pending[done++]);
    }
    order.insert(order.end(), pending.begin() + static_cast<std::ptrdiff_t>(done), pending.end());
    return order;
}

namespace {

Schedule handcrafted(std::string_view name, const PipelineShape& shape, int reach) {
    Schedule schedule = empty_schedule(name, shape);
    require_chunks(name, shape, 1);
    require_whole_sequences(name, shape);
    for (int stage = 0; stage < shape.devices; ++stage) {
        std::vector<Action> joined;
        append_one_f_one_b(joined, stage, shape.micro_batches, reach * (shape.devices - stage - 1));
        schedule.orders[stage] = split_backwards(joined, reach * stage);
    }
    return schedule;
}

}  // namespace

Schedule zb_h1(const PipelineShape& shape) {
    return handcrafted("zb-h1", shape, 1);
}
Schedule zb_h2(const PipelineShape& shape) {
    return handcrafted("zb-h2", shape, 2);
}

}  // namespace orrery::schedules
