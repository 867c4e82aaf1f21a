// schedules/uniform_layers.hpp
//
// The model of the bare schedules that cut one: layers that are all alike, so many for each device.
#pragma once

#include "schedules/layer_costs.hpp"
#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// The variant's number of layers per device, 8 where it is empty. Throws InputError (key "variant") for
/// anything but a number from 1 to 64.
int layers_per_device(std::string_view name, const PipelineShape& shape);

/// p times so many layers. Activations are counted in micro-batch activations of one device's share. The
/// first choice keeps everything, the second computes all of it again.
std::vector<LayerCost> uniform_layers(const PipelineShape& shape, int per_device);

/// 1F1B on the stages of the plan, with their shares of work, recomputation and moved activations (of the
/// choices with peer_bytes).
void apply_plan(Schedule& schedule, const PartitionPlan& plan, const std::vector<LayerCost>& layers);

}  // namespace orrery::schedules
