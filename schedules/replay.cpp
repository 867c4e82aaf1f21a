#include "schedules/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "schedules/stage_graph.hpp"

namespace orrery::schedules {
namespace {

/// End of an action that has not run yet. The maximum over dependencies carries it along.
constexpr double kNever = std::numeric_limits<double>::infinity();

/// What a device waits for; nothing yet.
constexpr std::size_t kNothing = std::numeric_limits<std::size_t>::max();

/// Positions [first, last) of an order: one action, or the members of one overlapped unit.
struct Unit {
    std::size_t first = 0;
    std::size_t last = 0;
};

/// One device on its way through its order.
struct Device {
    const Action* order = nullptr;
    double* start = nullptr;
    double* end = nullptr;
    std::size_t count = 0;
    std::size_t next = 0;              ///< position of the next action
    std::size_t waits_for = kNothing;  ///< index into the ends of what it waits for
    double free = 0;                   ///< end of its last action
    double busy = 0;
};

class Replay {
  public:
    Replay(const Schedule& schedule, const ActionTimes& times, const OrderSurvey& survey, Evaluation& result)
        : schedule_(schedule),
          times_(times),
          result_(result),
          graph_(schedule),
          stages_(schedule.stages()),
          devices_(schedule.orders.size()),
          copy_free_(schedule.orders.size(), 0.0) {
        const std::size_t size = static_cast<std::size_t>(stages_) * schedule.micro_batches * schedule.slices;
        ends_.assign(2 * size, kNever);
        for (const auto& placement : schedule.placement)
            holder_.insert(holder_.end(), placement.begin(), placement.end());
        read_durations();
        if (survey.any(ActionKind::recompute) || survey.any(ActionKind::evict) ||
            survey.any(ActionKind::load))
            plan_side_actions(size);
    }

    void run() {
        result_.start.resize(devices_.size());
        result_.end.resize(devices_.size());
        for (std::size_t device = 0; device < devices_.size(); ++device) {
            const std::vector<Action>& order = schedule_.orders[device];
            result_.start[device].resize(order.size());
            result_.end[device].resize(order.size());
            devices_[device] = {.order = order.data(),
                                .start = result_.start[device].data(),
                                .end = result_.end[device].data(),
                                .count = order.size()};
        }
        std::vector<int> awake;
        for (int device = schedule_.devices - 1; device >= 0; --device) awake.push_back(device);
        while (!awake.empty()) {
            const int device = awake.back();
            awake.pop_back();
            run_device(device, awake);
        }
        for (int device = 0; device < schedule_.devices; ++device) {
            if (devices_[device].next < devices_[device].count) report_deadlock(device);
            result_.busy.push_back(devices_[device].busy);
        }
        result_.comm_messages_per_microbatch = static_cast<double>(messages_) / schedule_.micro_batches;
    }

  private:
    std::size_t index(int stage, int micro_batch, int slice) const {
        return (static_cast<std::size_t>(stage) * schedule_.micro_batches + micro_batch) * schedule_.slices +
               slice;
    }
    std::size_t index(const Action& action) const {
        return index(action.stage, action.micro_batch, action.slice);
    }
    /// Index into ends_: forwards and the gradients of backwards side by side.
    static std::size_t forward_of(std::size_t index) { return 2 * index; }
    static std::size_t gradient_of(std::size_t index) { return 2 * index + 1; }

    int holder(int direction, int stage) const {
        return holder_[static_cast<std::size_t>(direction) * stages_ + stage];
    }

    void read_durations() {
        const auto of = [](const std::vector<double>& own, double all, int stage) {
            return own.empty() ? all : own[stage];
        };
        const auto share = [](const std::vector<double>& shares, int stage, double otherwise) {
            return shares.empty() ? otherwise : shares[stage];
        };
        for (auto& table : duration_) table.assign(stages_, 0.0);
        for (int stage = 0; stage < stages_; ++stage) {
            const double work = share(schedule_.stage_work, stage, 1);
            const double forward = work * of(times_.stage_forward, times_.forward, stage);
            const double again = share(schedule_.stage_recomputed, stage, 0) * forward;
            const double input = again + work * of(times_.stage_backward_input, times_.backward_input, stage);
            const double weight = work * of(times_.stage_backward_weight, times_.backward_weight, stage);
            const double moved = work * share(schedule_.stage_evicted, stage, 1);
            duration_[static_cast<int>(ActionKind::forward)][stage] = forward;
            duration_[static_cast<int>(ActionKind::backward)][stage] = input + weight;
            duration_[static_cast<int>(ActionKind::backward_input)][stage] = input;
            duration_[static_cast<int>(ActionKind::backward_weight)][stage] = weight;
            duration_[static_cast<int>(ActionKind::recompute)][stage] = times_.recompute.value_or(forward);
            duration_[static_cast<int>(ActionKind::evict)][stage] = moved * times_.evict;
            duration_[static_cast<int>(ActionKind::load)][stage] = moved * times_.load;
        }
    }

    /// Recomputations, evictions and loads are rare: their tables exist only where the schedule has them, and
    /// hold 0 where none is planned.
    void plan_side_actions(std::size_t size) {
        for (const auto& order : schedule_.orders)
            for (const Action& action : order) {
                if (action.kind != ActionKind::recompute && !is_transfer(action.kind)) continue;
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

    /// Calls visit(end, key, kind, stage, slice) for everything the action depends on; `key` is the index
    /// into ends_, or kNothing for what only the device itself can run.
    template <class Visit>
    void for_each_need(const Action& action, Visit visit) const {
        const auto forward = [&](int stage, int slice) {
            const std::size_t key = forward_of(index(stage, action.micro_batch, slice));
            visit(ends_[key], key, ActionKind::forward, stage, slice);
        };
        const auto gradient = [&](int stage, int slice) {
            const std::size_t key = gradient_of(index(stage, action.micro_batch, slice));
            visit(ends_[key], key, ActionKind::backward, stage, slice);
        };
        const auto beside = [&](ActionKind kind) {
            if (const auto& ends = side_end_[side(kind)]; !ends.empty())
                visit(ends[index(action)], kNothing, kind, action.stage, action.slice);
        };
        switch (action.kind) {
            case ActionKind::forward:
                for (const int input : graph_.inputs(action.stage)) forward(input, action.slice);
                if (action.slice > 0) forward(action.stage, action.slice - 1);
                return;
            case ActionKind::backward:
            case ActionKind::backward_input:
                forward(action.stage, action.slice);
                for (const int output : graph_.outputs(action.stage)) gradient(output, action.slice);
                if (action.slice + 1 < schedule_.slices) gradient(action.stage, action.slice + 1);
                beside(ActionKind::recompute);
                beside(ActionKind::load);
                return;
            case ActionKind::backward_weight:
                gradient(action.stage, action.slice);
                return;
            case ActionKind::recompute:
                forward(action.stage, action.slice);
                for (const int output : graph_.outputs(action.stage)) gradient(output, action.slice);
                return;
            case ActionKind::evict:
                forward(action.stage, action.slice);
                return;
            case ActionKind::load:
                beside(ActionKind::evict);
                return;
        }
    }

    /// Earliest start of one member of a unit; what another member of it provides does not count. kNever:
    /// it has to wait, and the device's waits_for says for what.
    double ready_time(int device, Unit unit, std::size_t i) {
        double ready = 0;
        const Action& action = devices_[device].order[i];
        for_each_need(action, [&](double end, std::size_t key, ActionKind kind, int stage, int slice) {
            if (end == kNever) {
                if (provides(device, unit, i, kind, stage, slice)) return;
                devices_[device].waits_for = key;
            }
            const bool sent = holder(action.direction, stage) != device;
            ready = std::max(ready, sent ? end + times_.communication : end);
        });
        return ready;
    }

    bool provides(int device, Unit unit, std::size_t asking, ActionKind kind, int stage, int slice) const {
        const Action* order = devices_[device].order;
        for (std::size_t i = unit.first; i < unit.last; ++i)
            if (i != asking && order[i].kind == kind && order[i].stage == stage && order[i].slice == slice &&
                order[i].micro_batch == order[asking].micro_batch)
                return true;
        return false;
    }

    static Unit next_unit(const Device& d) {
        Unit unit{d.next, d.next + 1};
        const std::int32_t overlap = d.order[unit.first].overlap;
        if (overlap >= 0)
            while (unit.last < d.count && d.order[unit.last].overlap == overlap) ++unit.last;
        return unit;
    }

    void run_device(int device, std::vector<int>& awake) {
        Device& d = devices_[device];
        while (d.next < d.count) {
            const Unit unit = next_unit(d);
            double ready = 0;
            for (std::size_t i = unit.first; i < unit.last; ++i)
                ready = std::max(ready, ready_time(device, unit, i));
            if (ready == kNever) return;
            const double end = run_unit(device, unit, ready);
            for (std::size_t i = unit.first; i < unit.last; ++i) record(d.order[i], end, awake);
            d.next = unit.last;
        }
    }

    /// A forward with a backward; not the doubled forward of Chimera.
    static bool overlaps_directions(const Action* order, Unit unit) {
        bool forward = false;
        bool backward = false;
        for (std::size_t i = unit.first; i < unit.last; ++i)
            (order[i].kind == ActionKind::forward ? forward : backward) = true;
        return forward && backward;
    }

    /// Gives the unit's end.
    double run_unit(int device, Unit unit, double ready) {
        Device& d = devices_[device];
        const bool transfer = is_transfer(d.order[unit.first].kind);
        double start = std::max(ready, d.free);
        if (transfer) start = std::max(start, copy_free_[device]);
        double length = 0;
        for (std::size_t i = unit.first; i < unit.last; ++i) length += duration(d.order[i]);
        if (times_.overlapped && overlaps_directions(d.order, unit)) length = *times_.overlapped;
        const double end = start + length;
        for (std::size_t i = unit.first; i < unit.last; ++i) {
            d.start[i] = start;
            d.end[i] = end;
        }
        (transfer ? copy_free_[device] : d.free) = end;
        if (!transfer) d.busy += length;
        return end;
    }

    void record(const Action& action, double end, std::vector<int>& awake) {
        const std::size_t at = index(action);
        if (action.kind == ActionKind::forward) {
            ends_[forward_of(at)] = end;
            send(action, graph_.outputs(action.stage), forward_of(at), awake);
        } else if (gives_gradient(action.kind)) {
            ends_[gradient_of(at)] = end;
            send(action, graph_.inputs(action.stage), gradient_of(at), awake);
        } else if (action.kind != ActionKind::backward_weight) {
            side_end_[side(action.kind)][at] = end;
            messages_ += is_transfer(action.kind) && !schedule_.eviction_partner.empty();
        }
    }

    /// Sends the result to the stages' devices and calls those that wait for it.
    void send(const Action& action, std::span<const int> stages, std::size_t key, std::vector<int>& awake) {
        const int here = holder(action.direction, action.stage);
        for (const int stage : stages) {
            const int other = holder(action.direction, stage);
            messages_ += other != here;
            if (devices_[other].waits_for != key) continue;
            devices_[other].waits_for = kNothing;
            awake.push_back(other);
        }
    }

    /// The last thing that the device's next unit waits for.
    std::pair<Action, Action> unmet_need(int device) const {
        const Unit unit = next_unit(devices_[device]);
        std::pair<Action, Action> unmet;
        for (std::size_t i = unit.first; i < unit.last; ++i) {
            const Action& action = devices_[device].order[i];
            for_each_need(action, [&](double end, std::size_t, ActionKind kind, int stage, int slice) {
                if (end != kNever || provides(device, unit, i, kind, stage, slice)) return;
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
            if (devices_[other].next >= devices_[other].count)
                throw SimulationError(fmt::format("schedule {}: device {} never runs {}", schedule_.name,
                                                  other, describe(wanted)),
                                      steps);
            device = other;
        }
        const auto entry = std::find(path.begin(), path.end(), device) - path.begin();
        steps.erase(steps.begin(), steps.begin() + entry);
        throw SimulationError(fmt::format("schedule {} deadlocks", schedule_.name), steps);
    }

    const Schedule& schedule_;
    const ActionTimes& times_;
    Evaluation& result_;
    StageGraph graph_;
    int stages_;
    std::vector<Device> devices_;
    std::vector<double> copy_free_;  ///< per device: end of its last transfer
    std::vector<int> holder_;        ///< [direction][stage]
    std::vector<double> ends_;
    std::size_t messages_ = 0;                     ///< between devices
    std::array<std::vector<double>, 3> side_end_;  ///< recompute, evict, load
    std::array<std::vector<double>, 7> duration_;  ///< [kind][stage]
};

}  // namespace

void replay(const Schedule& schedule, const ActionTimes& times, const OrderSurvey& survey,
            Evaluation& evaluation) {
    Replay(schedule, times, survey, evaluation).run();
}

}  // namespace orrery::schedules
