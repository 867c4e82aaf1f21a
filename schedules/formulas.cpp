#include "schedules/formulas.hpp"

#include <algorithm>

#include "schedules/interleaved.hpp"

namespace orrery::schedules {
namespace {

double whole_time(const PipelineShape& shape) {
    return shape.forward_time + shape.backward_input_time + shape.backward_weight_time;
}

/// One value per device.
template <class Value>
std::vector<double> per_device(const PipelineShape& shape, Value value) {
    std::vector<double> values;
    for (int device = 0; device < shape.devices; ++device)
        values.push_back(static_cast<double>(value(device)));
    return values;
}

}  // namespace

Bubble full_bubble(const PipelineShape& shape) {
    return (shape.devices - 1) * whole_time(shape);
}

Bubble interleaved_bubble(const PipelineShape& shape) {
    if (shape.micro_batches % shape.devices != 0) return std::nullopt;
    return (shape.devices - 1) * whole_time(shape) / shape.chunks;
}

Peak peak_all(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return shape.micro_batches; });
}

Peak peak_one_f_one_b(const PipelineShape& shape) {
    return per_device(shape, [&](int s) { return std::min(shape.devices - s, shape.micro_batches); });
}

Peak peak_interleaved(const PipelineShape& shape) {
    const int group = interleaving_group("interleaved-1f1b", shape);
    return per_device(shape, [&](int s) {
        const int ahead = 2 * (shape.devices - s - 1) + (shape.chunks - 1) * group + 1;
        return static_cast<double>(std::min(ahead, shape.micro_batches * shape.chunks)) / shape.chunks;
    });
}

}  // namespace orrery::schedules
