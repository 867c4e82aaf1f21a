// schedules/check.cpp
//
// The completeness of a schedule, whoever wrote it.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

/// How often each kind of action occurs for one (micro-batch, stage, slice); saturates.
struct Count {
    std::uint8_t forward = 0, joined = 0, input = 0, weight = 0, recompute = 0, evict = 0, load = 0;
};

void add(std::uint8_t& count) {
    count = static_cast<std::uint8_t>(std::min(count + 1, 200));
}

std::uint8_t& of_kind(Count& count, ActionKind kind) {
    switch (kind) {
        case ActionKind::forward:
            return count.forward;
        case ActionKind::backward:
            return count.joined;
        case ActionKind::backward_input:
            return count.input;
        case ActionKind::backward_weight:
            return count.weight;
        case ActionKind::recompute:
            return count.recompute;
        case ActionKind::evict:
            return count.evict;
        case ActionKind::load:
            return count.load;
    }
    return count.forward;
}

[[noreturn]] void fail(const Schedule& schedule, const std::string& message) {
    throw InputError({}, schedule.name, message);
}

void check_shape(const Schedule& schedule) {
    const auto stages = static_cast<std::size_t>(schedule.stages());
    if (schedule.orders.size() != static_cast<std::size_t>(schedule.devices))
        fail(schedule, fmt::format("has orders for {} devices instead of {}", schedule.orders.size(),
                                   schedule.devices));
    if (schedule.placement.empty()) fail(schedule, "has no placement");
    for (const auto& placement : schedule.placement) {
        if (placement.size() != stages)
            fail(schedule,
                 fmt::format("places {} stages instead of {}", placement.size(), schedule.stages()));
        for (const int device : placement)
            if (device < 0 || device >= schedule.devices)
                fail(schedule, fmt::format("places a stage on device {}, which does not exist", device));
    }
    if (!schedule.stage_inputs.empty() && schedule.stage_inputs.size() != stages)
        fail(schedule, "gives inputs for a wrong number of stages");
    for (const auto* shares : {&schedule.stage_work, &schedule.stage_recomputed, &schedule.stage_evicted})
        if (!shares->empty() && shares->size() != stages)
            fail(schedule, "gives shares of a wrong number of stages");
    for (std::size_t stage = 0; stage < schedule.stage_inputs.size(); ++stage)
        for (const int input : schedule.stage_inputs[stage])
            if (input < 0 || static_cast<std::size_t>(input) >= stage)
                fail(schedule,
                     fmt::format("stage {} reads stage {}, which does not precede it", stage, input));
}

void check_action(const Schedule& schedule, int device, const Action& action) {
    const auto outside = [](int value, std::size_t size) {
        return value < 0 || static_cast<std::size_t>(value) >= size;
    };
    if (outside(action.stage, schedule.placement[0].size()) ||
        outside(action.micro_batch, static_cast<std::size_t>(schedule.micro_batches)) ||
        outside(action.slice, static_cast<std::size_t>(schedule.slices)) ||
        outside(action.direction, schedule.placement.size()))
        fail(schedule,
             fmt::format("device {}: {} lies outside the schedule's shape", device, describe(action)));
    const int holder = schedule.placement[action.direction][action.stage];
    if (holder != device)
        fail(schedule, fmt::format("device {}: {} belongs to device {}", device, describe(action), holder));
}

void check_units(const Schedule& schedule, int device) {
    const auto& order = schedule.orders[device];
    std::vector<std::int32_t> closed;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (order[i].overlap < 0) continue;
        if (i > 0 && order[i - 1].overlap == order[i].overlap) continue;
        closed.push_back(order[i].overlap);
    }
    std::sort(closed.begin(), closed.end());
    const auto twice = std::adjacent_find(closed.begin(), closed.end());
    if (twice != closed.end())
        fail(schedule, fmt::format("device {}: overlapped unit {} is not contiguous", device, *twice));
}

void check_count(const Schedule& schedule, const Action& what, const Count& count) {
    const auto require = [&](bool good, const char* text) {
        if (!good) fail(schedule, fmt::format("{}: {}", describe(what).substr(2), text));
    };
    require(count.forward == 1, "needs exactly one forward");
    require(count.joined + count.input == 1, "needs exactly one backward");
    require(count.input == count.weight, "needs one weight gradient exactly where the backward is split");
    require(count.recompute <= 1, "is recomputed more than once");
    require(count.evict <= 1 && count.evict == count.load, "needs one load for one eviction");
}

}  // namespace

void check(const Schedule& schedule) {
    check_shape(schedule);
    const auto m = static_cast<std::size_t>(schedule.micro_batches);
    const auto q = static_cast<std::size_t>(schedule.slices);
    std::vector<Count> counts(static_cast<std::size_t>(schedule.stages()) * m * q);
    // A micro-batch travels in one direction; its first action says which.
    std::vector<std::int8_t> direction(m, -1);
    for (int device = 0; device < schedule.devices; ++device) {
        for (const Action& action : schedule.orders[device]) {
            check_action(schedule, device, action);
            add(of_kind(counts[(action.stage * m + action.micro_batch) * q + action.slice], action.kind));
            std::int8_t& known = direction[action.micro_batch];
            if (known < 0) known = action.direction;
            if (known != action.direction)
                fail(schedule, fmt::format("micro-batch {} travels in both directions", action.micro_batch));
        }
        check_units(schedule, device);
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
        Action what;
        what.stage = static_cast<std::int32_t>(i / q / m);
        what.micro_batch = static_cast<std::int32_t>(i / q % m);
        what.slice = static_cast<std::int32_t>(i % q);
        check_count(schedule, what, counts[i]);
    }
}

}  // namespace orrery::schedules
