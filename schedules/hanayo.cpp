// schedules/hanayo.cpp
//
// Hanayo (Liu et al. 2023): W waves, that is v = 2W chunks per device placed down and up in turn, so that a
// micro-batch changes direction without a transfer and no weights are held twice. The paper gives the
// placement and the principle, a unified 1F1B; no order is published. Ours is found by simulating devices
// that run a ready backward first (of the oldest micro-batch), else the ready forward of the deepest stage,
// with the shape's times. The paper's bubble for B+W = 2F and m = p, (2p-2)/(3pW+p-1), is an approximation of
// what results.
#include <fmt/format.h>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/list_scheduling.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {

Schedule hanayo(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("hanayo", shape);
    require_whole_sequences("hanayo", shape);
    if (shape.chunks % 2 != 0)
        throw InputError({}, "chunks",
                         fmt::format("hanayo needs two chunks a wave: an even number, not {}", shape.chunks));
    schedule.placement = {wave_placement(shape.devices, shape.chunks)};
    ListRule rule;
    rule.urgency = [](const Action& action) {
        constexpr std::int64_t kBackwardsFirst = std::int64_t{1} << 40;
        return action.kind == ActionKind::backward ? action.micro_batch - kBackwardsFirst
                                                   : std::int64_t{-action.stage};
    };
    schedule_by_rule(schedule, action_times(shape), rule);
    return schedule;
}

}  // namespace orrery::schedules
