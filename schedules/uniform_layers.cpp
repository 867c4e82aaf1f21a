#include "schedules/uniform_layers.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"
#include "schedules/one_f_one_b.hpp"

namespace orrery::schedules {

int layers_per_device(std::string_view name, const PipelineShape& shape) {
    constexpr int kDefault = 8;
    constexpr int kMost = 64;
    if (shape.variant.empty()) return kDefault;
    int layers = 0;
    const char* const end = shape.variant.data() + shape.variant.size();
    const auto [rest, error] = std::from_chars(shape.variant.data(), end, layers);
    if (error != std::errc() || rest != end || layers < 1 || layers > kMost)
        throw InputError({}, "variant",
                         fmt::format("{} expects a number of layers per device from 1 to {}, not '{}'", name,
                                     kMost, shape.variant.substr(0, 40)));
    return layers;
}

std::vector<LayerCost> uniform_layers(const PipelineShape& shape, int per_device) {
    LayerCost layer;
    layer.forward = shape.forward_time / per_device;
    layer.backward = (shape.backward_input_time + shape.backward_weight_time) / per_device;
    layer.choices = {{.kept_bytes = 1.0 / per_device}, {.kept_bytes = 0, .extra_time = layer.forward}};
    return std::vector<LayerCost>(static_cast<std::size_t>(shape.devices) * per_device, layer);
}

void apply_plan(Schedule& schedule, const PartitionPlan& plan, const std::vector<LayerCost>& layers) {
    const double mean = static_cast<double>(layers.size()) / schedule.devices;
    for (int stage = 0; stage < schedule.devices; ++stage) {
        const StagePlan& own = plan.stages[stage];
        const double held = own.last - own.first;
        double recomputed = 0;
        double moved = 0;
        for (int layer = own.first; layer < own.last; ++layer) {
            const ActivationChoice& choice = layers[layer].choices[own.choice[layer - own.first]];
            if (choice.extra_time > 0) ++recomputed;
            if (choice.peer_bytes > 0) ++moved;
        }
        schedule.stage_work.push_back(held / mean);
        schedule.stage_recomputed.push_back(recomputed / held);
        schedule.stage_evicted.push_back(moved / held);
        append_one_f_one_b(schedule.orders[stage], stage, schedule.micro_batches,
                           schedule.devices - stage - 1);
    }
}

}  // namespace orrery::schedules
