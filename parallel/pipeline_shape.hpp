// parallel/pipeline_shape.hpp
//
// The size of a plan's pipeline, as the generators of schedules/ need it.
#pragma once

#include <vector>

#include "models/graph.hpp"
#include "parallel/plan.hpp"
#include "schedules/schedule.hpp"

namespace orrery::parallel {

/// Devices, micro-batches of one optimizer step, chunks, slices, variant, memory limit and graph of stages of
/// the plan, the stages a chain. The times are the generators' own (forward, input and weight gradient
/// alike).
schedules::PipelineShape pipeline_shape(const Plan& plan);

/// The same for that model: where it has branches and the plan's schedule runs on a graph of stages, they
/// form the graph of its branches. Throws ExperimentError as partition_by_branch does.
schedules::PipelineShape pipeline_shape(const Plan& plan, const models::Model& model);

/// [virtual stage] nodes of the model, as the plan's schedule has its stages: by branch, in sequence, or of a
/// chain (parallel/stage_partition.hpp). Throws ExperimentError.
std::vector<std::vector<int>> layers_of_stages(const models::Model& model, const Plan& plan, int stages);

}  // namespace orrery::parallel
