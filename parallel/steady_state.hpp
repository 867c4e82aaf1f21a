// parallel/steady_state.hpp
//
// The step of a schedule without a flush. PipeDream (Narayanan et al. 2019) and PipeDream-2BW (Narayanan et
// al. 2021) take in the next micro-batch while earlier ones are in flight, so that no moment is the end of a
// step on all devices. Their step is measured in steady state: several batches are lowered back to back, and
// the step is the time between the first stage's updates that end two neighbouring batches, far enough from
// the fill at the begin and the drain at the end.
#pragma once

#include <span>

#include "models/graph.hpp"
#include "parallel/plan.hpp"
#include "schedules/schedule.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

/// The plan's schedule for as many micro-batches as are lowered: one batch, or, without a flush, as many
/// batches as the steady state needs. Throws InputError as the generators do.
schedules::Schedule make_plan_schedule(const Plan& plan);
/// The same for that model's graph of stages.
schedules::Schedule make_plan_schedule(const Plan& plan, const models::Model& model);
/// The same for a shape that knows more than the plan: the times of searches. Its other sizes are the plan's.
schedules::Schedule make_plan_schedule(const Plan& plan, schedules::PipelineShape shape);

/// Micro-batches whose gradients one update of the weights gathers: one where the schedule updates after
/// each, those of one batch without a flush, all with one.
int micro_batches_per_update(const Plan& plan, const schedules::Schedule& schedule);

/// One step in steady state: from the end of one task to the end of another on the same pipeline device.
struct Period {
    int pipeline_device = 0;
    sim::TaskId from;
    sim::TaskId to;
};

/// `updates`: the end of every update on the first stage's device, in order.
Period steady_period(const Plan& plan, const schedules::Schedule& schedule, int device,
                     std::span<const sim::TaskId> updates);

}  // namespace orrery::parallel
