#include "parallel/pipeline_shape.hpp"

#include "parallel/branch_partition.hpp"
#include "parallel/stage_partition.hpp"

namespace orrery::parallel {

schedules::PipelineShape pipeline_shape(const Plan& plan) {
    schedules::PipelineShape shape;
    shape.devices = plan.parallel.pp;
    shape.micro_batches = static_cast<int>(plan.training.micro_batches(plan.parallel));
    shape.chunks = plan.parallel.vpp;
    shape.slices = plan.slices;
    shape.memory_limit = plan.schedule_memory_limit;
    shape.variant = plan.schedule_variant;
    shape.stage_inputs.resize(static_cast<std::size_t>(shape.devices));
    for (int stage = 1; stage < shape.devices; ++stage)
        shape.stage_inputs[static_cast<std::size_t>(stage)] = {stage - 1};
    return shape;
}

schedules::PipelineShape pipeline_shape(const Plan& plan, const models::Model& model) {
    schedules::PipelineShape shape = pipeline_shape(plan);
    const bool branched = !model.shape.towers.empty() && runs_on_graph(plan.schedule);
    if (branched && shape.devices > 1)
        shape.stage_inputs = inputs_of_stages(model, layers_of_stages(model, plan, shape.devices));
    return shape;
}

std::vector<std::vector<int>> layers_of_stages(const models::Model& model, const Plan& plan, int stages) {
    if (model.shape.towers.empty())
        return plan.partition.empty() ? partition(model, stages) : partition(model, plan.partition);
    if (runs_on_graph(plan.schedule) && stages > 1) return partition_by_branch(model, stages, plan.partition);
    return partition_in_sequence(model, stages, plan.partition);
}

}  // namespace orrery::parallel
