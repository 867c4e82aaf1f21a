// schedules/zb_v.cpp
//
// ZB-V (Qi et al. 2024, "Zero Bubble Pipeline Parallelism", section 6): device s holds the stages s and
// 2p-1-s, so that forward and backward of a micro-batch begin and end on the same device. The order is found
// by list scheduling with the shape's times under a limit of p micro-batches, for each of four policies, each
// repeated as long as the longest bubble shrinks. For F = B = W and m >= 2p every span is free of bubbles and
// the makespan exceeds the work by p-1 chunk-forwards; peak p.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/zb_v_fixed.hpp"

namespace orrery::schedules {
namespace {

constexpr double kNotRun = -1;

struct VProblem {
    int devices = 1;
    int micro_batches = 1;
    double forward = 1, backward = 1, weight = 1;
    double communication = 0;
    double memory_limit = 0;  ///< in chunk activations
    double released_at_backward = 0.5;
};

/// One action of a device: its kind and, in the lowest bit, the leg whose stage it belongs to. Those of a
/// kind and leg are of the micro-batches 0, 1, ... in turn.
using Step = std::uint8_t;
constexpr Step step(ActionKind kind, int way) {
    return static_cast<Step>(2 * static_cast<int>(kind) + way);
}

struct VOrder {
    std::vector<std::vector<Step>> steps;
    double longest_bubble = 0;
    std::vector<double> bubbles;
};

/// One pass. `way` 0 is the leg down (stage s on device s), 1 the leg up (stage 2p-1-s).
class VScheduling {
  public:
    VScheduling(const VProblem& problem, bool fill_forwards, bool fill_backwards,
                std::vector<double> approved, double give_up)
        : problem_(problem),
          fill_forwards_(fill_forwards),
          fill_backwards_(fill_backwards),
          approved_(std::move(approved)),
          give_up_(give_up),
          p_(problem.devices),
          m_(problem.micro_batches),
          devices_(problem.devices) {
        const std::size_t size = static_cast<std::size_t>(p_) * m_;
        for (auto* legs : {&forward_end_, &backward_end_})
            for (auto& leg : *legs) leg.assign(size, kNotRun);
        most_approved_ = approved_.empty() ? -1 : *std::max_element(approved_.begin(), approved_.end());
        for (Device& device : devices_) {
            device.steps.reserve(std::size_t{6} * m_);
            device.weights.reserve(std::size_t{2} * m_);
        }
    }

    /// Nothing where no W makes room for what comes next, or a device's bubbles reach `give_up`.
    std::optional<VOrder> run() {
        warm_up();
        for (int round = 0; round < 2 * m_; ++round) {
            if (longest_bubble_ >= give_up_) return std::nullopt;
            if (!round_backwards()) return std::nullopt;
            if (!round_forwards()) return std::nullopt;
        }
        VOrder order;
        for (int device = 0; device < p_; ++device) {
            while (devices_[device].pending()) put_weight(device);
            order.steps.push_back(std::move(devices_[device].steps));
            order.bubbles.push_back(devices_[device].bubble);
        }
        order.longest_bubble = longest_bubble_;
        return order;
    }

  private:
    struct Device {
        std::array<int, 2> forwards{}, backwards{};
        double clock = 0;
        double memory = 0;
        double bubble = 0;
        std::vector<Step> weights;  ///< W of the Bs so far
        std::size_t weights_done = 0;
        std::vector<Step> steps;

        bool pending() const { return weights_done < weights.size(); }
    };

    std::size_t at(int device, int k) const { return static_cast<std::size_t>(device) * m_ + k; }
    /// The device whose action of the same leg comes before this one's; -1: none. Leg 0 runs down the devices
    /// and leg 1 back, for the forwards as for the gradients, which start at the last stage on device 0.
    int upstream(int way, int device) const {
        if (way == 0) return device - 1;
        return device + 1 < p_ ? device + 1 : -1;
    }

    void advance(int device, double arrival, double length) {
        Device& d = devices_[device];
        const double start = std::max(d.clock, arrival);
        if (d.forwards[0] > 0) {
            d.bubble += start - d.clock;
            longest_bubble_ = std::max(longest_bubble_, d.bubble);
        }
        d.clock = start + length;
    }
    /// When the input of the device's next action of that leg arrives; kNotRun if it has not been produced.
    double arrival(const std::array<std::vector<double>, 2>& ends, int way, int device, int k) const {
        const int from = upstream(way, device);
        if (from < 0) return 0;
        const double end = ends[way][at(from, k)];
        return end < 0 ? kNotRun : end + problem_.communication;
    }

    void put_forward(int way, int device) {
        Device& d = devices_[device];
        const int k = d.forwards[way];
        advance(device, arrival(forward_end_, way, device, k), problem_.forward);
        forward_end_[way][at(device, k)] = d.clock;
        d.memory += 1;
        d.steps.push_back(step(ActionKind::forward, way));
        ++d.forwards[way];
    }
    /// `leg` 0 is the first backward of a micro-batch on the device: of the stage on the way up.
    void put_backward(int leg, int device) {
        Device& d = devices_[device];
        const int k = d.backwards[leg];
        advance(device, arrival(backward_end_, leg, device, k), problem_.backward);
        backward_end_[leg][at(device, k)] = d.clock;
        d.memory -= problem_.released_at_backward;
        d.steps.push_back(step(ActionKind::backward_input, 1 - leg));
        d.weights.push_back(step(ActionKind::backward_weight, 1 - leg));
        ++d.backwards[leg];
    }
    void put_weight(int device) {
        Device& d = devices_[device];
        advance(device, 0, problem_.weight);
        d.memory -= 1 - problem_.released_at_backward;
        d.steps.push_back(d.weights[d.weights_done++]);
    }

    void warm_up() {
        for (int device = 0; device < p_; ++device) put_forward(0, device);
        for (int device = p_ - 1; device >= 0; --device) {
            if (device < p_ - 1) fill_before_turn(device);
            put_forward(1, device);
        }
        even_out();
    }
    /// More forwards of leg 0 on devices 0..device while the first forward of leg 1 is on its way.
    void fill_before_turn(int device) {
        Device& d = devices_[device];
        const double turn = forward_end_[1][at(device + 1, 0)] + problem_.communication;
        while (d.memory + 2 + 2 * device <= problem_.memory_limit && d.clock + problem_.forward <= turn &&
               d.forwards[0] < m_)
            for (int i = 0; i <= device; ++i) put_forward(0, i);
    }
    /// Every device gets at least as many forwards as the one before it, legs in turn.
    void even_out() {
        int way = 0;
        for (int device = 1; device < p_; ++device) {
            const auto& mine = devices_[device].forwards;
            const auto& before = devices_[device - 1].forwards;
            while (mine[0] + mine[1] < before[0] + before[1] || (mine[1] <= before[1] && before[1] < m_)) {
                for (int i = p_ - 1; i >= device; --i)
                    if (devices_[i].forwards[way] < m_) put_forward(way, i);
                way = 1 - way;
            }
        }
    }

    bool make_room(int device, double needed) {
        Device& d = devices_[device];
        while (d.memory + needed > problem_.memory_limit + 1e-9) {
            if (!d.pending()) return false;
            put_weight(device);
        }
        return true;
    }

    double tolerated(int device) const {
        double longest = longest_bubble_;
        if (most_approved_ >= 0) longest = std::max(longest, most_approved_ - approved_[device]);
        return longest - devices_[device].bubble;
    }

    /// Ws while the device would wait for `arrival`, and one that overruns it where the wait is too long.
    void fill_wait(int device, double arrival, bool has_upstream, bool may_overrun) {
        Device& d = devices_[device];
        while (has_upstream && d.pending() && arrival >= d.clock + problem_.weight) put_weight(device);
        if (d.pending() && may_overrun && arrival - d.clock > tolerated(device)) put_weight(device);
    }

    bool round_backwards() {
        for (int device = 0; device < p_; ++device)
            if (!make_room(device, -problem_.released_at_backward)) return false;
        turns_.clear();
        first_legs_.clear();
        for (int device = 0; device < p_; ++device) {
            const Device& d = devices_[device];
            const bool second =
                d.backwards[1] < d.backwards[0] && (device == p_ - 1 || d.backwards[0] >= m_ ||
                                                    backward_end_[1][at(device + 1, d.backwards[1])] >= 0);
            (second ? turns_ : first_legs_).emplace_back(device, second ? 1 : 0);
        }
        std::reverse(turns_.begin(), turns_.end());
        turns_.insert(turns_.end(), first_legs_.begin(), first_legs_.end());
        for (const auto& [device, leg] : turns_) {
            const bool has_upstream = upstream(leg, device) >= 0;
            fill_wait(device, arrival(backward_end_, leg, device, devices_[device].backwards[leg]),
                      has_upstream, leg == 1 || fill_backwards_);
            put_backward(leg, device);
        }
        return true;
    }

    bool round_forwards() {
        for (int device = 0; device < p_; ++device) {
            const int way = next_forward(device);
            if (way < 0) continue;
            if (!make_room(device, 1)) return false;
            fill_wait(device, arrival(forward_end_, way, device, devices_[device].forwards[way]),
                      upstream(way, device) >= 0, fill_forwards_);
            put_forward(way, device);
        }
        return true;
    }

    /// Leg of the device's next forward; -1: none this round.
    int next_forward(int device) const {
        const Device& d = devices_[device];
        if (d.forwards[1] >= m_) return -1;
        if (d.forwards[1] >= d.forwards[0]) return 0;
        if (device == p_ - 1 || forward_end_[1][at(device + 1, d.forwards[1])] >= 0) return 1;
        if (d.forwards[0] >= m_) return -1;
        return device == 0 || forward_end_[0][at(device - 1, d.forwards[0])] >= 0 ? 0 : -1;
    }

    const VProblem& problem_;
    bool fill_forwards_, fill_backwards_;
    std::vector<double> approved_;  ///< bubbles of the pass before, which set how long a wait is tolerated
    double most_approved_ = -1;
    double give_up_;
    int p_, m_;
    std::vector<Device> devices_;
    double longest_bubble_ = 0;
    std::vector<std::pair<int, int>> turns_;  ///< of a round: (device, leg), the gradients' second legs first
    std::vector<std::pair<int, int>> first_legs_;
    std::array<std::vector<double>, 2> forward_end_, backward_end_;
};

/// Passes with the bubbles of the one before tolerated, as long as the longest bubble shrinks.
std::optional<VOrder> best_pass(const VProblem& problem, bool fill_forwards, bool fill_backwards) {
    std::optional<VOrder> best;
    std::vector<double> approved;
    while (true) {
        const double give_up = best ? best->longest_bubble : std::numeric_limits<double>::infinity();
        auto order = VScheduling(problem, fill_forwards, fill_backwards, approved, give_up).run();
        if (!order || order->longest_bubble >= give_up) return best;
        approved = order->bubbles;
        best = std::move(order);
    }
}

std::vector<Action> actions_of(const std::vector<Step>& steps, int devices, int device) {
    std::vector<Action> actions;
    actions.reserve(steps.size());
    std::array<int, step(ActionKind::backward_weight, 1) + 1> done{};
    for (const Step each : steps)
        actions.push_back({static_cast<ActionKind>(each / 2), done[each]++,
                           each % 2 == 0 ? device : 2 * devices - 1 - device});
    return actions;
}

}  // namespace

Schedule zb_v(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("zb-v", shape);
    require_chunks("zb-v", shape, 2);
    require_whole_sequences("zb-v", shape);
    schedule.placement = {wave_placement(shape.devices, 2)};
    if (require_variant("zb-v", shape, {"search", "fixed"}) == "fixed") {
        schedule.orders = zb_v_fixed_orders(shape);
        return schedule;
    }
    const VProblem problem{.devices = shape.devices,
                           .micro_batches = shape.micro_batches,
                           .forward = shape.forward_time / 2,
                           .backward = shape.backward_input_time / 2,
                           .weight = shape.backward_weight_time / 2,
                           .communication = shape.communication_time,
                           .memory_limit = 2 * shape.memory_limit.value_or(shape.devices),
                           .released_at_backward = shape.released_at_backward.value_or(0.5)};
    std::optional<VOrder> best;
    for (const bool fill_backwards : {true, false})
        for (const bool fill_forwards : {true, false}) {
            if (best && best->longest_bubble <= 0) break;  // none is shorter
            auto order = best_pass(problem, fill_forwards, fill_backwards);
            if (order && (!best || order->longest_bubble < best->longest_bubble)) best = std::move(order);
        }
    if (!best)
        throw InputError(
            {}, "memory-limit",
            fmt::format("no ZB-V order fits into {} micro-batch activations", problem.memory_limit / 2));
    for (int device = 0; device < shape.devices; ++device)
        schedule.orders[device] = actions_of(best->steps[device], shape.devices, device);
    return schedule;
}

}  // namespace orrery::schedules
