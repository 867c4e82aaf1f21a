#include "parallel/steady_state.hpp"

#include "parallel/pipeline_shape.hpp"

namespace orrery::parallel {
namespace {

int micro_batches_of(const Plan& plan) {
    return static_cast<int>(plan.training.micro_batches(plan.parallel));
}

int rounded_up(int count, int unit) {
    return (count + unit - 1) / unit;
}

}  // namespace

schedules::Schedule make_plan_schedule(const Plan& plan) {
    return make_plan_schedule(plan, pipeline_shape(plan));
}

schedules::Schedule make_plan_schedule(const Plan& plan, const models::Model& model) {
    return make_plan_schedule(plan, pipeline_shape(plan, model));
}

schedules::Schedule make_plan_schedule(const Plan& plan, schedules::PipelineShape shape) {
    schedules::Schedule schedule = schedules::make_schedule(plan.schedule, shape);
    if (schedule.synchronous) return schedule;
    // The measured batch, the fill and its echo before it (2p micro-batches), the drain behind it (p).
    shape.micro_batches *= 2 + rounded_up(3 * shape.devices, shape.micro_batches);
    return schedules::make_schedule(plan.schedule, shape);
}

int micro_batches_per_update(const Plan& plan, const schedules::Schedule& schedule) {
    if (schedule.synchronous) return schedule.micro_batches;
    return schedule.updates_each_micro_batch ? 1 : micro_batches_of(plan);
}

Period steady_period(const Plan& plan, const schedules::Schedule& schedule, int device,
                     std::span<const sim::TaskId> updates) {
    const int each = micro_batches_per_update(plan, schedule);
    const auto batch = static_cast<std::size_t>(micro_batches_of(plan) / each);
    const auto drain = static_cast<std::size_t>(rounded_up(schedule.devices, each));
    const std::size_t last = updates.size() - 1 - drain;
    return {device, updates[last - batch], updates[last]};
}

}  // namespace orrery::parallel
