// schedules/dual_pipe.cpp
//
// DualPipe (DeepSeek-AI 2024, DeepSeek-V3 technical report, section 3.2.1; the order is that of the
// deepseek-ai/DualPipe repository): two pipelines over the same p devices in opposite directions, m/2
// micro-batches each, in which a forward of one direction and a backward of the other run as one overlapped
// unit. DualPipeV folds it: p devices hold the stages s and 2p-1-s of one pipeline of 2p stages, and the two
// directions become the way down and the way up of the same micro-batches.
//
// Both are the same eight phases. With h devices in a fold and distance d = 0..h-1 from the outer end, stage
// set 0 is the one that the device feeds first, stage set 1 the other. Peak: p+1 (DualPipe), 2p+1 chunks
// (DualPipeV); weights: two copies (DualPipe), one (DualPipeV).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// What one of the device's two stage sets runs next.
struct Side {
    int stage = 0;
    int first_micro_batch = 0;
    std::int8_t direction = 0;
    int forwards = 0;
    int backwards = 0;
};

class FoldedOrder {
  public:
    FoldedOrder(int fold, int distance, int micro_batches, std::array<Side, 2> sides)
        : fold_(fold), distance_(distance), micro_batches_(micro_batches), sides_(sides) {}

    std::vector<Action> write() {
        const int inner = fold_ - distance_ - 1;  // devices between this one and the fold
        for (int i = 0; i < 2 * inner; ++i) forward(0);
        for (int i = 0; i <= distance_; ++i) forward(0), forward(1);
        for (int i = 0; i < inner; ++i) backward(1, true), weight(), forward(1);
        for (int i = 0; i < micro_batches_ - 2 * fold_ + distance_ + 1; ++i) {
            if (i == 0 && inner == 0)
                forward(0), backward(1, false);  // at the fold the first pair depends on itself
            else
                pair(0, 1);
            pair(1, 0);
        }
        for (int i = 0; i < inner; ++i) backward(1, false), pair(1, 0);
        // The second half of the remaining backwards is split, to fill the drain with W.
        const int half = (distance_ + 1) / 2;
        const bool odd = distance_ % 2 == 1;
        for (int i = 0; i <= distance_; ++i) {
            backward(1, odd ? i >= half : i > half);
            backward(0, i >= half);
        }
        for (int i = 0; i < inner; ++i) weight(), backward(0, true);
        while (!weights_.empty()) weight();
        return std::move(order_);
    }

  private:
    Action next_forward(int side) {
        Side& s = sides_[side];
        return {ActionKind::forward, s.first_micro_batch + s.forwards++, s.stage, 0, -1, s.direction};
    }
    Action next_backward(int side) {
        Side& s = sides_[side];
        return {ActionKind::backward, s.first_micro_batch + s.backwards++, s.stage, 0, -1, s.direction};
    }
    void forward(int side) { order_.push_back(next_forward(side)); }
    void backward(int side, bool split) {
        Action action = next_backward(side);
        if (split) {
            action.kind = ActionKind::backward_weight;
            weights_.push_back(action);
            action.kind = ActionKind::backward_input;
        }
        order_.push_back(action);
    }
    void weight() {
        order_.push_back(weights_.front());
        weights_.pop_front();
    }
    void pair(int forward_side, int backward_side) {
        for (Action action : {next_forward(forward_side), next_backward(backward_side)}) {
            action.overlap = units_;
            order_.push_back(action);
        }
        ++units_;
    }

    int fold_;
    int distance_;
    int micro_batches_;  ///< per side
    std::array<Side, 2> sides_;
    std::int32_t units_ = 0;
    std::deque<Action> weights_;
    std::vector<Action> order_;
};

}  // namespace

Schedule dual_pipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("dualpipe", shape);
    require_chunks("dualpipe", shape, 1);
    require_whole_sequences("dualpipe", shape);
    const int p = shape.devices;
    const int m = shape.micro_batches;
    if (p % 2 != 0)
        throw InputError({}, "stages", fmt::format("dualpipe needs an even number of stages, not {}", p));
    if (m % 2 != 0 || m < 2 * p)
        throw InputError(
            {}, "microbatches",
            fmt::format("dualpipe needs an even number of micro-batches, at least {}, not {}", 2 * p, m));
    schedule.placement.push_back(reversed_placement(p));
    schedule.weight_copies = 2;
    for (int device = 0; device < p; ++device) {
        const Side down{device, 0, 0};
        const Side up{p - 1 - device, m / 2, 1};
        const bool lower_half = device < p / 2;
        const std::array<Side, 2> sides = {lower_half ? down : up, lower_half ? up : down};
        const int distance = std::min(device, p - 1 - device);
        schedule.orders[device] = FoldedOrder(p / 2, distance, m / 2, sides).write();
    }
    return schedule;
}

Schedule dual_pipe_v(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("dualpipev", shape);
    require_chunks("dualpipev", shape, 2);
    require_whole_sequences("dualpipev", shape);
    const int p = shape.devices;
    if (shape.micro_batches < 2 * p)
        throw InputError(
            {}, "microbatches",
            fmt::format("dualpipev needs at least {} micro-batches, not {}", 2 * p, shape.micro_batches));
    schedule.placement = {wave_placement(p, 2)};
    for (int device = 0; device < p; ++device) {
        const std::array<Side, 2> sides = {Side{device, 0, 0}, Side{2 * p - 1 - device, 0, 0}};
        schedule.orders[device] = FoldedOrder(p, device, shape.micro_batches, sides).write();
    }
    return schedule;
}

}  // namespace orrery::schedules
