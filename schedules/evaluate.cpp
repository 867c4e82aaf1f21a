#include "schedules/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "schedules/activation.hpp"

namespace orrery::schedules {
namespace {

/// End of an action that has not run yet. The maximum over dependencies carries it along.
constexpr double kNever = std::numeric_limits<double>::infinity();

bool is_transfer(const Action& action) {
    return action.kind == ActionKind::evict || action.kind == ActionKind::load;
}

bool gives_gradient(const Action& action) {
    return action.kind == ActionKind::backward || action.kind == ActionKind::backward_input;
}

/// Positions [first, last) of an order: one action, or the members of one overlapped unit.
struct Unit {
    std::size_t first = 0;
    std::size_t last = 0;
};

class Replay {
  public:
    Replay(const Schedule& schedule, const ActionTimes& times)
        : schedule_(schedule),
          times_(times),
          stages_(schedule.stages()),
          next_(schedule.orders.size(), 0),
          free_(schedule.orders.size(), 0.0),
          copy_free_(schedule.orders.size(), 0.0) {
        const std::size_t size = static_cast<std::size_t>(stages_) * schedule.micro_batches * schedule.slices;
        forward_end_.assign(size, kNever);
        backward_end_.assign(size, kNever);
        read_graph();
        read_durations();
        plan_side_actions(size);
    }

    Evaluation run() {
        for (const auto& order : schedule_.orders) {
            result_.start.emplace_back(order.size());
            result_.end.emplace_back(order.size());
            result_.actions += order.size();
        }
        result_.busy.assign(schedule_.orders.size(), 0.0);
        std::vector<int> awake;
        for (int device = schedule_.devices - 1; device >= 0; --device) awake.push_back(device);
        while (!awake.empty()) {
            const int device = awake.back();
            awake.pop_back();
            run_device(device, awake);
        }
        for (int device = 0; device < schedule_.devices; ++device)
            if (next_[device] < schedule_.orders[device].size()) report_deadlock(device);
        summarize();
        return std::move(result_);
    }

  private:
    std::size_t index(int stage, int micro_batch, int slice) const {
        return (static_cast<std::size_t>(stage) * schedule_.micro_batches + micro_batch) * schedule_.slices +
               slice;
    }
    std::size_t index(const Action& action) const {
        return index(action.stage, action.micro_batch, action.slice);
    }
    int holder(int direction, int stage) const { return schedule_.placement[direction][stage]; }
    double latency(int direction, int from, int to) const {
        return holder(direction, from) == holder(direction, to) ? 0.0 : times_.communication;
    }

    void read_graph() {
        inputs_ = schedule_.stage_inputs;
        if (inputs_.empty()) {
            inputs_.resize(stages_);
            for (int stage = 1; stage < stages_; ++stage) inputs_[stage] = {stage - 1};
        }
        outputs_.resize(stages_);
        for (int stage = 0; stage < stages_; ++stage)
            for (const int input : inputs_[stage]) outputs_[input].push_back(stage);
    }

    void read_durations() {
        const auto of = [](const std::vector<double>& own, double all, int stage) {
            return own.empty() ? all : own[stage];
        };
        for (auto& table : duration_) table.assign(stages_, 0.0);
        for (int stage = 0; stage < stages_; ++stage) {
            const double forward = of(times_.stage_forward, times_.forward, stage);
            const double input = of(times_.stage_backward_input, times_.backward_input, stage);
            const double weight = of(times_.stage_backward_weight, times_.backward_weight, stage);
            duration_[static_cast<int>(ActionKind::forward)][stage] = forward;
            duration_[static_cast<int>(ActionKind::backward)][stage] = input + weight;
            duration_[static_cast<int>(ActionKind::backward_input)][stage] = input;
            duration_[static_cast<int>(ActionKind::backward_weight)][stage] = weight;
            duration_[static_cast<int>(ActionKind::recompute)][stage] = times_.recompute.value_or(forward);
            duration_[static_cast<int>(ActionKind::evict)][stage] = times_.evict;
            duration_[static_cast<int>(ActionKind::load)][stage] = times_.load;
        }
    }

    /// Recomputations, evictions and loads are rare: their tables exist only where the schedule has them, and
    /// hold 0 where none is planned.
    void plan_side_actions(std::size_t size) {
        for (const auto& order : schedule_.orders)
            for (const Action& action : order) {
                if (action.kind != ActionKind::recompute && !is_transfer(action)) continue;
                std::vector<double>& table = side_end_[side(action.kind)];
                if (table.empty()) table.assign(size, 0.0);
                table[index(action)] = kNever;
            }
    }
    static int side(ActionKind kind) {
        return static_cast<int>(kind) - static_cast<int>(ActionKind::recompute);
    }

    double duration(const Action& action) const {
        double time = duration_[static_cast<int>(action.kind)][action.stage];
        if (!times_.slice_factor.empty()) time *= times_.slice_factor[action.slice];
        if (!times_.micro_batch_factor.empty()) time *= times_.micro_batch_factor[action.micro_batch];
        return time;
    }

    /// Calls visit(end, latency, kind, stage, slice) for everything the action depends on.
    template <class Visit>
    void for_each_need(const Action& action, Visit visit) const {
        const auto at = [&](const std::vector<double>& ends, ActionKind kind, int stage, int slice) {
            visit(ends[index(stage, action.micro_batch, slice)],
                  latency(action.direction, stage, action.stage), kind, stage, slice);
        };
        const auto side_at = [&](ActionKind kind) {
            if (const auto& ends = side_end_[side(kind)]; !ends.empty())
                at(ends, kind, action.stage, action.slice);
        };
        switch (action.kind) {
            case ActionKind::forward:
                for (const int input : inputs_[action.stage])
                    at(forward_end_, ActionKind::forward, input, action.slice);
                if (action.slice > 0) at(forward_end_, ActionKind::forward, action.stage, action.slice - 1);
                return;
            case ActionKind::backward:
            case ActionKind::backward_input:
                at(forward_end_, ActionKind::forward, action.stage, action.slice);
                for (const int output : outputs_[action.stage])
                    at(backward_end_, ActionKind::backward, output, action.slice);
                if (action.slice + 1 < schedule_.slices)
                    at(backward_end_, ActionKind::backward, action.stage, action.slice + 1);
                side_at(ActionKind::recompute);
                side_at(ActionKind::load);
                return;
            case ActionKind::backward_weight:
                at(backward_end_, ActionKind::backward, action.stage, action.slice);
                return;
            case ActionKind::recompute:
                at(forward_end_, ActionKind::forward, action.stage, action.slice);
                for (const int output : outputs_[action.stage])
                    at(backward_end_, ActionKind::backward, output, action.slice);
                return;
            case ActionKind::evict:
                at(forward_end_, ActionKind::forward, action.stage, action.slice);
                return;
            case ActionKind::load:
                side_at(ActionKind::evict);
                return;
        }
    }

    /// Earliest start of one member of a unit; what another member of it provides does not count.
    double ready_time(const std::vector<Action>& order, Unit unit, std::size_t i) const {
        double ready = 0;
        for_each_need(order[i], [&](double end, double delay, ActionKind kind, int stage, int slice) {
            if (end == kNever && provides(order, unit, i, kind, stage, slice)) return;
            ready = std::max(ready, end + delay);
        });
        return ready;
    }

    static bool provides(const std::vector<Action>& order, Unit unit, std::size_t asking, ActionKind kind,
                         int stage, int slice) {
        for (std::size_t i = unit.first; i < unit.last; ++i)
            if (i != asking && order[i].kind == kind && order[i].stage == stage && order[i].slice == slice &&
                order[i].micro_batch == order[asking].micro_batch)
                return true;
        return false;
    }

    Unit next_unit(int device) const {
        const std::vector<Action>& order = schedule_.orders[device];
        Unit unit{next_[device], next_[device] + 1};
        if (order[unit.first].overlap >= 0)
            while (unit.last < order.size() && order[unit.last].overlap == order[unit.first].overlap)
                ++unit.last;
        return unit;
    }

    void run_device(int device, std::vector<int>& awake) {
        const std::vector<Action>& order = schedule_.orders[device];
        while (next_[device] < order.size()) {
            const Unit unit = next_unit(device);
            double ready = 0;
            for (std::size_t i = unit.first; i < unit.last; ++i)
                ready = std::max(ready, ready_time(order, unit, i));
            if (ready == kNever) return;
            run_unit(device, unit, ready);
            for (std::size_t i = unit.first; i < unit.last; ++i) wake(order[i], awake);
            next_[device] = unit.last;
        }
    }

    /// A forward with a backward; not the doubled forward of Chimera.
    static bool overlaps_directions(const std::vector<Action>& order, Unit unit) {
        bool forward = false;
        bool backward = false;
        for (std::size_t i = unit.first; i < unit.last; ++i)
            (order[i].kind == ActionKind::forward ? forward : backward) = true;
        return forward && backward;
    }

    void run_unit(int device, Unit unit, double ready) {
        const std::vector<Action>& order = schedule_.orders[device];
        const bool transfer = is_transfer(order[unit.first]);
        double start = std::max(ready, free_[device]);
        if (transfer) start = std::max(start, copy_free_[device]);
        double length = 0;
        for (std::size_t i = unit.first; i < unit.last; ++i) length += duration(order[i]);
        if (times_.overlapped && overlaps_directions(order, unit)) length = *times_.overlapped;
        const double end = start + length;
        for (std::size_t i = unit.first; i < unit.last; ++i) {
            result_.start[device][i] = start;
            result_.end[device][i] = end;
            record(order[i], end);
        }
        (transfer ? copy_free_ : free_)[device] = end;
        if (!transfer) result_.busy[device] += length;
    }

    void record(const Action& action, double end) {
        if (action.kind == ActionKind::forward) forward_end_[index(action)] = end;
        if (gives_gradient(action)) backward_end_[index(action)] = end;
        if (action.kind == ActionKind::recompute || is_transfer(action))
            side_end_[side(action.kind)][index(action)] = end;
    }

    /// Devices that may have waited for this action look again: a constant number of looks per action, so
    /// the replay is linear.
    void wake(const Action& action, std::vector<int>& awake) const {
        const bool forward = action.kind == ActionKind::forward;
        if (!forward && !gives_gradient(action)) return;
        for (const int stage : forward ? outputs_[action.stage] : inputs_[action.stage]) {
            const int other = holder(action.direction, stage);
            if (other != holder(action.direction, action.stage)) awake.push_back(other);
        }
    }

    /// The first thing the device's next unit waits for.
    std::pair<Action, Action> unmet_need(int device) const {
        const Unit unit = next_unit(device);
        std::pair<Action, Action> unmet;
        for (std::size_t i = unit.first; i < unit.last; ++i) {
            const std::vector<Action>& order = schedule_.orders[device];
            const Action& action = order[i];
            for_each_need(action, [&](double end, double, ActionKind kind, int stage, int slice) {
                if (end != kNever || provides(order, unit, i, kind, stage, slice)) return;
                unmet = {action, action};
                unmet.second.kind = kind;
                unmet.second.stage = stage;
                unmet.second.slice = slice;
            });
        }
        return unmet;
    }

    [[noreturn]] void report_deadlock(int device) const {
        std::vector<std::string> steps;
        std::vector<bool> seen(schedule_.orders.size(), false);
        std::vector<int> path;
        while (!seen[device]) {
            seen[device] = true;
            path.push_back(device);
            const auto [blocked, wanted] = unmet_need(device);
            const int other = holder(wanted.direction, wanted.stage);
            steps.push_back(fmt::format("device {}: {} waits for {} of device {}", device, describe(blocked),
                                        describe(wanted), other));
            if (next_[other] >= schedule_.orders[other].size())
                throw SimulationError(fmt::format("schedule {}: device {} never runs {}", schedule_.name,
                                                  other, describe(wanted)),
                                      steps);
            device = other;
        }
        const auto entry = std::find(path.begin(), path.end(), device) - path.begin();
        steps.erase(steps.begin(), steps.begin() + entry);
        throw SimulationError(fmt::format("schedule {} deadlocks", schedule_.name), steps);
    }

    void summarize() {
        double most_busy = 0;
        for (std::size_t device = 0; device < schedule_.orders.size(); ++device) {
            const auto& start = result_.start[device];
            const auto& end = result_.end[device];
            const double first = start.empty() ? 0 : *std::min_element(start.begin(), start.end());
            const double last = end.empty() ? 0 : *std::max_element(end.begin(), end.end());
            result_.first_start.push_back(first);
            result_.last_end.push_back(last);
            result_.makespan = std::max(result_.makespan, last);
            result_.longest_span = std::max(result_.longest_span, last - first);
            most_busy = std::max(most_busy, result_.busy[device]);
        }
        if (result_.makespan > 0) result_.bubble_ratio = 1 - most_busy / result_.makespan;
        if (result_.longest_span > 0) result_.bubble_ratio_span = 1 - most_busy / result_.longest_span;
        if (most_busy > 0) result_.bubble_overhead = result_.makespan / most_busy - 1;
        measure_activations(schedule_, result_);
        count_messages();
    }

    void count_messages() {
        std::size_t messages = 0;
        for (const auto& order : schedule_.orders)
            for (const Action& action : order) {
                if (is_transfer(action) && !schedule_.eviction_partner.empty()) ++messages;
                const bool forward = action.kind == ActionKind::forward;
                if (!forward && !gives_gradient(action)) continue;
                const int here = holder(action.direction, action.stage);
                for (const int next : forward ? outputs_[action.stage] : inputs_[action.stage])
                    messages += holder(action.direction, next) != here;
            }
        result_.comm_messages_per_microbatch = static_cast<double>(messages) / schedule_.micro_batches;
    }

    const Schedule& schedule_;
    const ActionTimes& times_;
    int stages_;
    std::vector<std::size_t> next_;  ///< per device: position of the next action
    std::vector<double> free_;       ///< per device: end of its last action
    std::vector<double> copy_free_;  ///< per device: end of its last transfer
    std::vector<double> forward_end_, backward_end_;
    std::array<std::vector<double>, 3> side_end_;  ///< recompute, evict, load
    std::vector<std::vector<int>> inputs_, outputs_;
    std::array<std::vector<double>, 7> duration_;  ///< [kind][stage]
    Evaluation result_;
};

}  // namespace

ActionTimes action_times(const PipelineShape& shape) {
    const double parts = static_cast<double>(shape.chunks) * shape.slices;
    ActionTimes times;
    times.forward = shape.forward_time / parts;
    times.backward_input = shape.backward_input_time / parts;
    times.backward_weight = shape.backward_weight_time / parts;
    times.communication = shape.communication_time;
    return times;
}

Evaluation evaluate(const Schedule& schedule, const ActionTimes& times) {
    return Replay(schedule, times).run();
}

std::string describe(const Action& action) {
    static constexpr std::array kNames = {"F", "BW", "B", "W", "recompute", "evict", "load"};
    std::string text = fmt::format("{} stage {} micro-batch {}", kNames[static_cast<int>(action.kind)],
                                   action.stage, action.micro_batch);
    if (action.slice > 0) text += fmt::format(" slice {}", action.slice);
    return text;
}

}  // namespace orrery::schedules
