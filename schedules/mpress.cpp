// schedules/mpress.cpp
//
// MPress as a bare schedule: 1F1B on equal stages under a memory limit (by default the mean over 1F1B's
// devices, (p+1)/2). A stage that overflows moves some of its layers' activations to the paired device, which
// has room, and computes others again, whichever costs less at the shape's transfer time. What moves is
// evicted behind its forward and loaded behind the backward before its own, beside the computation. The
// variant is the number of layers per device, 8 by default. The search is in schedules/mpress.hpp; the host
// has no place in a bare schedule.
#include "schedules/mpress.hpp"

#include <limits>

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/uniform_layers.hpp"

namespace orrery::schedules {
namespace {

/// Evictions behind forwards, loads one backward ahead of their own.
std::vector<Action> with_transfers(const std::vector<Action>& order) {
    std::vector<Action> moved;
    const auto add = [&](Action action, ActionKind kind) {
        action.kind = kind;
        moved.push_back(action);
    };
    bool first = true;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const Action& action = order[i];
        if (action.kind == ActionKind::backward && first) {
            add(action, ActionKind::load);
            first = false;
        }
        moved.push_back(action);
        if (action.kind == ActionKind::forward) {
            add(action, ActionKind::evict);
            continue;
        }
        for (std::size_t next = i + 1; next < order.size(); ++next)
            if (order[next].kind == ActionKind::backward) {
                add(order[next], ActionKind::load);
                break;
            }
    }
    return moved;
}

}  // namespace

Schedule mpress(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("mpress", shape);
    require_chunks("mpress", shape, 1);
    require_whole_sequences("mpress", shape);
    const int p = shape.devices;
    const int per_device = layers_per_device("mpress", shape);
    MPressProblem problem;
    problem.layers = uniform_layers(shape, per_device);
    for (LayerCost& layer : problem.layers) layer.choices.push_back({.peer_bytes = 1.0 / per_device});
    for (int stage = 0; stage < p; ++stage) {
        problem.first_layer.push_back(stage * per_device);
        schedule.eviction_partner.push_back(p - 1 - stage);
    }
    problem.micro_batches = shape.micro_batches;
    problem.communication = shape.communication_time;
    problem.memory_limit = shape.memory_limit.value_or((p + 1) / 2.0);
    problem.peer_rate =
        shape.transfer_time > 0 ? 1 / shape.transfer_time : std::numeric_limits<double>::infinity();
    apply_plan(schedule, mpress_search(problem), problem.layers);
    for (int stage = 0; stage < p; ++stage)
        if (schedule.stage_evicted[stage] > 0)
            schedule.orders[stage] = with_transfers(schedule.orders[stage]);
    return schedule;
}

}  // namespace orrery::schedules
