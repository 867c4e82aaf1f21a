#include "schedules/formulas.hpp"

#include <algorithm>
#include <cmath>

#include "schedules/generators.hpp"
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

bool short_weights(const PipelineShape& shape) {
    return shape.backward_weight_time <= std::min(shape.forward_time, shape.backward_input_time);
}

bool equal_times(const PipelineShape& shape) {
    return shape.forward_time == shape.backward_input_time &&
           shape.forward_time == shape.backward_weight_time;
}

/// The V schedules' formulas count chunk-forwards, for equal times and a batch with a steady phase.
Bubble in_chunk_forwards(const PipelineShape& shape, int count) {
    if (!equal_times(shape) || shape.micro_batches < 2 * shape.devices || shape.devices < 2)
        return std::nullopt;
    return count * shape.forward_time / 2;
}

}  // namespace

Bubble full_bubble(const PipelineShape& shape) {
    return (shape.devices - 1) * whole_time(shape);
}

Bubble gpipe_bubble(const PipelineShape& shape) {
    const double again = shape.variant == "recompute" ? shape.forward_time : 0;
    return (shape.devices - 1) * (whole_time(shape) + again);
}

Bubble dapple_bubble(const PipelineShape& shape) {
    const int m = shape.micro_batches;
    if (shape.memory_limit && *shape.memory_limit < std::min(m, shape.devices)) return std::nullopt;
    return full_bubble(shape);
}

Bubble interleaved_bubble(const PipelineShape& shape) {
    if (shape.micro_batches % shape.devices != 0) return std::nullopt;
    return (shape.devices - 1) * whole_time(shape) / shape.chunks;
}

Bubble breadth_first_bubble(const PipelineShape& shape) {
    if (shape.micro_batches < shape.devices) return std::nullopt;
    return (shape.devices - 1) * whole_time(shape) / shape.chunks;
}

Bubble sliced_bubble(const PipelineShape& shape) {
    return (shape.devices - 1) * whole_time(shape) / shape.slices;
}

Bubble zero_bubble_h1(const PipelineShape& shape) {
    const bool enough =
        shape.chunks == 1 ? shape.micro_batches >= shape.devices : shape.micro_batches % shape.devices == 0;
    if (!enough || !short_weights(shape)) return std::nullopt;
    return (shape.devices - 1) * (whole_time(shape) - 2 * shape.backward_weight_time) / shape.chunks;
}

Bubble zero_bubble_h2(const PipelineShape& shape) {
    if (shape.micro_batches < 2 * shape.devices || !equal_times(shape)) return std::nullopt;
    return (shape.devices - 1) * shape.forward_time;
}

Bubble chimera_bubble(const PipelineShape& shape) {
    const double backward = shape.backward_input_time + shape.backward_weight_time;
    if (shape.micro_batches % shape.devices != 0 || backward < shape.forward_time) return std::nullopt;
    const int units = shape.micro_batches / shape.devices;
    return (shape.devices - 2) * (shape.forward_time + units * (backward - shape.forward_time));
}

Bubble zero_bubble_v(const PipelineShape& shape) {
    return in_chunk_forwards(shape, shape.devices - 1);
}

Bubble graph_bubble(const PipelineShape& shape) {
    const std::vector<int> depth = depths_to_end(graphpipe(shape).stage_inputs);
    return (*std::max_element(depth.begin(), depth.end()) - 1) * whole_time(shape);
}

Bubble v_half_bubble(const PipelineShape& shape) {
    const int p = shape.devices;
    if (p < 3) return std::nullopt;
    return in_chunk_forwards(shape, p % 2 == 0 ? 3 * p - 7 : 3 * p - 4);
}

Bubble v_min_bubble(const PipelineShape& shape) {
    const int p = shape.devices;
    return in_chunk_forwards(shape, p % 3 == 0 ? 4 * p - 7 : 4 * p - 5);
}

Peak peak_all(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return shape.micro_batches; });
}

Peak peak_one_f_one_b(const PipelineShape& shape) {
    return per_device(shape, [&](int s) { return std::min(shape.devices - s, shape.micro_batches); });
}

Peak peak_eager(const PipelineShape& shape) {
    return per_device(shape,
                      [&](int s) { return std::min(2 * (shape.devices - s) - 1, shape.micro_batches); });
}

Peak peak_dapple(const PipelineShape& shape) {
    const double limit = std::floor(shape.memory_limit.value_or(shape.micro_batches));
    const bool wide = shape.variant == "b";
    return per_device(shape, [&](int s) {
        const int depth = shape.devices - s;
        return std::min({static_cast<double>(wide ? 2 * depth - 1 : depth), limit,
                         static_cast<double>(shape.micro_batches)});
    });
}

namespace {

Peak interleaved_peak(const PipelineShape& shape, int group, int extra) {
    return per_device(shape, [&](int s) {
        const int ahead = 2 * (shape.devices - s - 1) + (shape.chunks - 1) * group + 1 + extra;
        return static_cast<double>(std::min(ahead, shape.micro_batches * shape.chunks)) / shape.chunks;
    });
}

}  // namespace

Peak peak_interleaved(const PipelineShape& shape) {
    return interleaved_peak(shape, interleaving_group("interleaved-1f1b", shape), 0);
}

Peak peak_interleaved_overlap(const PipelineShape& shape) {
    const int group =
        shape.chunks == 1 ? shape.micro_batches : interleaving_group("interleaved-1f1b-overlap", shape);
    return interleaved_peak(shape, group, 1);
}

Peak peak_seq(const PipelineShape& shape) {
    const int q = shape.slices;
    return per_device(shape, [&](int s) {
        return static_cast<double>(std::min(shape.devices - s - 1 + q, shape.micro_batches * q)) / q;
    });
}

Peak peak_graph(const PipelineShape& shape) {
    const std::vector<int> depth = depths_to_end(graphpipe(shape).stage_inputs);
    return per_device(shape, [&](int s) { return std::min(depth[s], shape.micro_batches); });
}

Peak peak_h1(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return std::min(shape.devices, shape.micro_batches); });
}

Peak peak_h2(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return std::min(2 * shape.devices - 1, shape.micro_batches); });
}

Peak peak_interleaved_zb(const PipelineShape& shape) {
    const int alive = (shape.chunks - 1) * interleaving_group("interleaved-zb", shape) + shape.devices;
    return per_device(shape, [&](int) {
        return static_cast<double>(std::min(alive, shape.micro_batches * shape.chunks)) / shape.chunks;
    });
}

Peak peak_chimera(const PipelineShape& shape) {
    const int p = shape.devices;
    if (shape.micro_batches % p != 0) return std::nullopt;
    return per_device(shape, [&](int d) { return std::min(p, p / 2 + 1 + std::min(d, p - 1 - d)); });
}

Peak peak_dual_pipe(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return shape.devices + 1; });
}

Peak peak_dual_pipe_v(const PipelineShape& shape) {
    return per_device(shape, [&](int) { return (2 * shape.devices + 1) / 2.0; });
}

}  // namespace orrery::schedules
