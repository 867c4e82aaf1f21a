// schedules/adapipe.cpp
//
// AdaPipe as a bare schedule: 1F1B whose stages hold different numbers of equal layers and compute some of
// them again, so that every device stays within the memory limit (without one nothing is recomputed and the
// stages are equal). The variant is the number of layers per device, 8 by default. The search is in
// schedules/adapipe.hpp; what is computed again counts as not kept at all.
#include "schedules/adapipe.hpp"

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/uniform_layers.hpp"

namespace orrery::schedules {

Schedule adapipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("adapipe", shape);
    require_chunks("adapipe", shape, 1);
    require_whole_sequences("adapipe", shape);
    AdaPipeProblem problem;
    problem.layers = uniform_layers(shape, layers_per_device("adapipe", shape));
    problem.stages = shape.devices;
    problem.micro_batches = shape.micro_batches;
    problem.communication = shape.communication_time;
    problem.memory_limit = shape.memory_limit.value_or(shape.devices);  // what 1F1B holds
    problem.seconds = shape.time_limit.value_or(0);
    problem.progress = shape.progress;
    apply_plan(schedule, adapipe_search(problem), problem.layers);
    schedule.stage_evicted.clear();
    return schedule;
}

}  // namespace orrery::schedules
