// schedules/zb_v_fixed.cpp
//
// ZB-V's fixed order (PyTorch's ScheduleZBVZeroBubble; Qi et al. 2024, "Zero Bubble Pipeline Parallelism",
// section 6, for F = B = W): device s runs 2(p-s)-1 forwards of its stage on the way down, then s pairs of a
// forward up and one down, then p-s times F, B, W of the stage on the way up; then both stages in turn, each
// B with its W; at the end W makes room for s more Bs of either stage. At most p micro-batches are alive.
#include <algorithm>

#include "schedules/placement.hpp"
#include "schedules/zb_v_fixed.hpp"

namespace orrery::schedules {
namespace {

class DeviceOrder {
  public:
    DeviceOrder(const PipelineShape& shape, int device)
        : micro_batches_(shape.micro_batches), stage_{device, 2 * shape.devices - 1 - device} {
        order_.reserve(std::size_t{6} * shape.micro_batches);
    }

    /// The next action of that kind of the stage on the way down (0) or up (1); beyond the batch nothing.
    void put(ActionKind kind, int way) {
        const int k = next_[way][static_cast<int>(kind)]++;
        if (k < micro_batches_) order_.push_back({kind, k, stage_[way]});
    }
    void forward(int way) { put(ActionKind::forward, way); }
    void backward(int way) {
        put(ActionKind::backward_input, way);
        put(ActionKind::backward_weight, way);
    }
    int done(ActionKind kind, int way) const { return next_[way][static_cast<int>(kind)]; }
    std::vector<Action> take() { return std::move(order_); }

  private:
    int micro_batches_;
    int stage_[2];
    int next_[2][static_cast<int>(ActionKind::backward_weight) + 1] = {};
    std::vector<Action> order_;
};

std::vector<Action> device_order(const PipelineShape& shape, int device) {
    using enum ActionKind;
    const int p = shape.devices;
    const int count = std::max(2 * p - 1, shape.micro_batches);  // what the pattern needs to unfold
    DeviceOrder order(shape, device);
    for (int i = 0; i < 2 * (p - device) - 1; ++i) order.forward(0);
    for (int i = 0; i < device; ++i) {
        order.forward(1);
        order.forward(0);
    }
    for (int i = 0; i < p - device; ++i) {
        order.forward(1);
        order.backward(1);
    }
    while (order.done(forward, 1) < order.done(forward, 0) || order.done(forward, 0) < count) {
        if (order.done(forward, 0) < count) order.forward(0);
        order.backward(0);
        order.forward(1);
        order.backward(1);
    }
    for (int i = 0; i < device; ++i) {
        order.put(backward_input, 0);
        order.put(backward_input, 1);
    }
    for (int i = 0; i < p - device; ++i) {
        order.put(backward_input, 0);
        order.put(backward_weight, 0);
    }
    for (const int way : {1, 0})
        while (order.done(backward_weight, way) < order.done(backward_input, way))
            order.put(backward_weight, way);
    return order.take();
}

}  // namespace

std::vector<std::vector<Action>> zb_v_fixed_orders(const PipelineShape& shape) {
    std::vector<std::vector<Action>> orders;
    for (int device = 0; device < shape.devices; ++device) orders.push_back(device_order(shape, device));
    return orders;
}

}  // namespace orrery::schedules
