// schedules/mcap.cpp
//
// mCAP as a bare schedule: 1F1B whose stages hold different numbers of equal layers, so that the activations
// on the fullest device are as few as possible. The variant is the number of layers per device, 8 by
// default. The search is in schedules/mcap.hpp. Memory first: the last stages, with few micro-batches in
// flight, get most of the layers, and the bubble grows.
#include "schedules/mcap.hpp"

#include <algorithm>

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/uniform_layers.hpp"

namespace orrery::schedules {

Schedule mcap(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("mcap", shape);
    require_chunks("mcap", shape, 1);
    require_whole_sequences("mcap", shape);
    const std::vector<LayerCost> layers = uniform_layers(shape, layers_per_device("mcap", shape));
    std::vector<int> in_flight;
    for (int stage = 0; stage < shape.devices; ++stage)
        in_flight.push_back(std::min(shape.devices - stage, shape.micro_batches));
    apply_plan(schedule, mcap_search(layers, in_flight), layers);
    schedule.stage_recomputed.clear();
    schedule.stage_evicted.clear();
    return schedule;
}

}  // namespace orrery::schedules
