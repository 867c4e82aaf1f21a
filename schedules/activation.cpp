#include "schedules/activation.hpp"

#include <algorithm>
#include <span>

namespace orrery::schedules {
namespace {

/// Activation of one action, in micro-batch activations of one device's share.
double share_of_action(const Schedule& schedule) {
    return 1.0 / (static_cast<double>(schedule.chunks) * schedule.slices);
}

/// +1, -1 or 0: what the action does to the activations of its stage on its device.
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

/// What one action of each stage holds or moves, relative to an action of the mean stage.
struct StageSizes {
    std::vector<double> kept, moved;

    explicit StageSizes(const Schedule& schedule) {
        for (std::size_t stage = 0; stage < static_cast<std::size_t>(schedule.stages()); ++stage) {
            const double work = schedule.stage_work.empty() ? 1 : schedule.stage_work[stage];
            const double dropped = schedule.stage_recomputed.empty() ? 0 : schedule.stage_recomputed[stage];
            kept.push_back(work * (1 - dropped));
            moved.push_back(work * (schedule.stage_evicted.empty() ? 1 : schedule.stage_evicted[stage]));
        }
    }
};

/// Activations alive on one device: of what F holds until W gives it back, and until B does.
class Alive {
  public:
    explicit Alive(const StageSizes& sizes) : sizes_(sizes) {}

    /// An action, or the members of an overlapped unit, whose Fs take before anything is given back.
    void run(std::span<const Action> unit) {
        for (std::size_t way = 0; way < 2; ++way) {
            double freed = 0;
            for (const Action& action : unit) {
                const double step = change(action, way == 1) * sizes_.kept[action.stage];
                if (step > 0) alive_[way] += step;
                if (step < 0) freed += step;
            }
            peak_[way] = std::max(peak_[way], alive_[way]);
            alive_[way] += freed;
        }
    }
    [[nodiscard]] double peak(bool released_at_backward) const { return peak_[released_at_backward ? 1 : 0]; }

  private:
    const StageSizes& sizes_;
    std::array<double, 2> alive_{}, peak_{};
};

struct MemoryEvent {
    double time = 0;
    double change = 0;
};

double peak_of_events(std::vector<MemoryEvent>& events) {
    std::stable_sort(events.begin(), events.end(), [](const MemoryEvent& a, const MemoryEvent& b) {
        return a.time != b.time ? a.time < b.time : a.change < b.change;
    });
    double alive = 0;
    double peak = 0;
    for (const MemoryEvent& event : events) peak = std::max(peak, alive += event.change);
    return peak;
}

std::vector<double> peaks_over_time(const Schedule& schedule, const Evaluation& evaluation,
                                    const StageSizes& sizes, bool released_at_backward) {
    std::vector<std::vector<MemoryEvent>> events(schedule.orders.size());
    for (std::size_t device = 0; device < schedule.orders.size(); ++device) {
        const bool paired = !schedule.eviction_partner.empty();
        const std::size_t partner = paired ? schedule.eviction_partner[device] : device;
        for (std::size_t i = 0; i < schedule.orders[device].size(); ++i) {
            const Action& action = schedule.orders[device][i];
            const double start = evaluation.start[device][i];
            const double end = evaluation.end[device][i];
            const double moved = sizes.moved[action.stage];
            if (action.kind == ActionKind::evict) {
                events[device].push_back({end, -moved});
                if (paired) events[partner].push_back({start, moved});
            } else if (action.kind == ActionKind::load) {
                events[device].push_back({start, moved});
                if (paired) events[partner].push_back({end, -moved});
            } else if (const int step = change(action, released_at_backward); step != 0) {
                events[device].push_back({step > 0 ? start : end, step * sizes.kept[action.stage]});
            }
        }
    }
    std::vector<double> peaks;
    const double unit = share_of_action(schedule);
    for (auto& device_events : events) peaks.push_back(peak_of_events(device_events) * unit);
    return peaks;
}

}  // namespace

OrderSurvey survey_orders(const Schedule& schedule) {
    const double unit = share_of_action(schedule);
    const StageSizes sizes(schedule);
    OrderSurvey survey;
    for (const std::vector<Action>& order : schedule.orders) {
        Alive alive(sizes);
        for (std::size_t i = 0; i < order.size();) {
            const std::size_t first = i++;
            survey.has[static_cast<std::size_t>(order[first].kind)] = true;
            if (order[first].overlap >= 0)
                for (; i < order.size() && order[i].overlap == order[first].overlap; ++i)
                    survey.has[static_cast<std::size_t>(order[i].kind)] = true;
            alive.run({order.data() + first, i - first});
        }
        survey.peak.push_back(alive.peak(false) * unit);
        survey.peak_released_at_backward.push_back(alive.peak(true) * unit);
    }
    return survey;
}

void measure_activations(const Schedule& schedule, const OrderSurvey& survey, Evaluation& evaluation) {
    if (!survey.any(ActionKind::evict) && !survey.any(ActionKind::load)) {
        evaluation.peak_activation = survey.peak;
        evaluation.peak_activation_released_at_backward = survey.peak_released_at_backward;
        return;
    }
    const StageSizes sizes(schedule);
    evaluation.peak_activation = peaks_over_time(schedule, evaluation, sizes, false);
    evaluation.peak_activation_released_at_backward = peaks_over_time(schedule, evaluation, sizes, true);
}

}  // namespace orrery::schedules
