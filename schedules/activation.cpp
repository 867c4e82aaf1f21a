#include "schedules/activation.hpp"

#include <algorithm>

namespace orrery::schedules {
namespace {

bool has_transfers(const Schedule& schedule) {
    for (const auto& order : schedule.orders)
        for (const Action& action : order)
            if (action.kind == ActionKind::evict || action.kind == ActionKind::load) return true;
    return false;
}

/// +1, -1 or 0: what the action does to the number of activations of its device.
int change(const Action& action, bool released_at_backward) {
    switch (action.kind) {
        case ActionKind::forward:
            return 1;
        case ActionKind::backward:
            return -1;
        case ActionKind::backward_input:
            return released_at_backward ? -1 : 0;
        case ActionKind::backward_weight:
            return released_at_backward ? 0 : -1;
        default:
            return 0;
    }
}

int peak_of_order(const std::vector<Action>& order, bool released_at_backward) {
    int alive = 0;
    int peak = 0;
    for (std::size_t i = 0; i < order.size();) {
        std::size_t last = i + 1;
        if (order[i].overlap >= 0)
            while (last < order.size() && order[last].overlap == order[i].overlap) ++last;
        int freed = 0;
        for (; i < last; ++i) {
            const int step = change(order[i], released_at_backward);
            if (step > 0) alive += step;
            if (step < 0) freed += step;
        }
        peak = std::max(peak, alive);
        alive += freed;
    }
    return peak;
}

struct MemoryEvent {
    double time = 0;
    int change = 0;
};

int peak_of_events(std::vector<MemoryEvent>& events) {
    std::stable_sort(events.begin(), events.end(), [](const MemoryEvent& a, const MemoryEvent& b) {
        return a.time != b.time ? a.time < b.time : a.change < b.change;
    });
    int alive = 0;
    int peak = 0;
    for (const MemoryEvent& event : events) peak = std::max(peak, alive += event.change);
    return peak;
}

std::vector<int> peaks_over_time(const Schedule& schedule, const Evaluation& evaluation,
                                 bool released_at_backward) {
    std::vector<std::vector<MemoryEvent>> events(schedule.orders.size());
    for (std::size_t device = 0; device < schedule.orders.size(); ++device) {
        const bool paired = !schedule.eviction_partner.empty();
        const std::size_t partner = paired ? schedule.eviction_partner[device] : device;
        for (std::size_t i = 0; i < schedule.orders[device].size(); ++i) {
            const Action& action = schedule.orders[device][i];
            const double start = evaluation.start[device][i];
            const double end = evaluation.end[device][i];
            if (action.kind == ActionKind::evict) {
                events[device].push_back({end, -1});
                if (paired) events[partner].push_back({start, 1});
            } else if (action.kind == ActionKind::load) {
                events[device].push_back({start, 1});
                if (paired) events[partner].push_back({end, -1});
            } else if (const int step = change(action, released_at_backward); step != 0) {
                events[device].push_back({step > 0 ? start : end, step});
            }
        }
    }
    std::vector<int> peaks;
    for (auto& device_events : events) peaks.push_back(peak_of_events(device_events));
    return peaks;
}

}  // namespace

void measure_activations(const Schedule& schedule, Evaluation& evaluation) {
    const double unit = 1.0 / (static_cast<double>(schedule.chunks) * schedule.slices);
    const bool transfers = has_transfers(schedule);
    for (const bool released_at_backward : {false, true}) {
        std::vector<double>& peak = released_at_backward ? evaluation.peak_activation_released_at_backward
                                                         : evaluation.peak_activation;
        if (transfers) {
            for (const int count : peaks_over_time(schedule, evaluation, released_at_backward))
                peak.push_back(count * unit);
        } else {
            for (const auto& order : schedule.orders)
                peak.push_back(peak_of_order(order, released_at_backward) * unit);
        }
    }
}

}  // namespace orrery::schedules
