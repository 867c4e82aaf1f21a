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
#include <deque>
#include <optional>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

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

struct VOrder {
    std::vector<std::vector<Action>> orders;
    double longest_bubble = 0;
    std::vector<double> bubbles;
};

/// One pass. `way` 0 is the leg down (stage s on device s), 1 the leg up (stage 2p-1-s).
class VScheduling {
  public:
    VScheduling(const VProblem& problem, bool fill_forwards, bool fill_backwards,
                std::vector<double> approved)
        : problem_(problem),
          fill_forwards_(fill_forwards),
          fill_backwards_(fill_backwards),
          approved_(std::move(approved)),
          p_(problem.devices),
          m_(problem.micro_batches),
          devices_(problem.devices) {
        const std::size_t size = static_cast<std::size_t>(p_) * m_;
        for (auto* legs : {&forward_end_, &backward_end_})
            for (auto& leg : *legs) leg.assign(size, kNotRun);
        most_approved_ = approved_.empty() ? -1 : *std::max_element(approved_.begin(), approved_.end());
    }

    std::optional<VOrder> run() {
        warm_up();
        for (int round = 0; round < 2 * m_; ++round) {
            if (!round_backwards()) return std::nullopt;
            if (!round_forwards()) return std::nullopt;
        }
        VOrder order;
        for (int device = 0; device < p_; ++device) {
            while (!devices_[device].pending.empty()) put_weight(device);
            order.orders.push_back(std::move(devices_[device].order));
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
        std::deque<Action> pending;  ///< W to be done
        std::vector<Action> order;
    };

    std::size_t at(int device, int k) const { return static_cast<std::size_t>(device) * m_ + k; }
    int stage(int way, int device) const { return way == 0 ? device : 2 * p_ - 1 - device; }
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
        d.order.push_back({ActionKind::forward, k, stage(way, device)});
        ++d.forwards[way];
    }
    /// `leg` 0 is the first backward of a micro-batch on the device: of the stage on the way up.
    void put_backward(int leg, int device) {
        Device& d = devices_[device];
        const int k = d.backwards[leg];
        advance(device, arrival(backward_end_, leg, device, k), problem_.backward);
        backward_end_[leg][at(device, k)] = d.clock;
        d.memory -= problem_.released_at_backward;
        const int own = stage(1 - leg, device);
        d.order.push_back({ActionKind::backward_input, k, own});
        d.pending.push_back({ActionKind::backward_weight, k, own});
        ++d.backwards[leg];
    }
    void put_weight(int device) {
        Device& d = devices_[device];
        advance(device, 0, problem_.weight);
        d.memory -= 1 - problem_.released_at_backward;
        d.order.push_back(d.pending.front());
        d.pending.pop_front();
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
            if (d.pending.empty()) return false;
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
        while (has_upstream && !d.pending.empty() && arrival >= d.clock + problem_.weight) put_weight(device);
        if (!d.pending.empty() && may_overrun && arrival - d.clock > tolerated(device)) put_weight(device);
    }

    bool round_backwards() {
        for (int device = 0; device < p_; ++device)
            if (!make_room(device, -problem_.released_at_backward)) return false;
        std::vector<std::pair<int, int>> turns;  // (device, leg), first the gradients' second legs
        std::vector<std::pair<int, int>> first_legs;
        for (int device = 0; device < p_; ++device) {
            const Device& d = devices_[device];
            const bool second =
                d.backwards[1] < d.backwards[0] && (device == p_ - 1 || d.backwards[0] >= m_ ||
                                                    backward_end_[1][at(device + 1, d.backwards[1])] >= 0);
            (second ? turns : first_legs).emplace_back(device, second ? 1 : 0);
        }
        std::reverse(turns.begin(), turns.end());
        turns.insert(turns.end(), first_legs.begin(), first_legs.end());
        for (const auto& [device, leg] : turns) {
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
    int p_, m_;
    std::vector<Device> devices_;
    double longest_bubble_ = 0;
    std::array<std::vector<double>, 2> forward_end_, backward_end_;
};

/// Passes with the bubbles of the one before tolerated, as long as the longest bubble shrinks.
std::optional<VOrder> best_pass(const VProblem& problem, bool fill_forwards, bool fill_backwards) {
    std::optional<VOrder> best;
    std::vector<double> approved;
    while (true) {
        auto order = VScheduling(problem, fill_forwards, fill_backwards, approved).run();
        if (!order || (best && order->longest_bubble >= best->longest_bubble)) return best;
        approved = order->bubbles;
        best = std::move(order);
    }
}

}  // namespace

Schedule zb_v(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("zb-v", shape);
    require_chunks("zb-v", shape, 2);
    require_whole_sequences("zb-v", shape);
    schedule.placement = {wave_placement(shape.devices, 2)};
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
            auto order = best_pass(problem, fill_forwards, fill_backwards);
            if (order && (!best || order->longest_bubble < best->longest_bubble)) best = std::move(order);
        }
    if (!best)
        throw InputError(
            {}, "memory-limit",
            fmt::format("no ZB-V order fits into {} micro-batch activations", problem.memory_limit / 2));
    schedule.orders = std::move(best->orders);
    return schedule;
}

}  // namespace orrery::schedules
