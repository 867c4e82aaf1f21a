#include "schedules/list_scheduling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <tuple>

#include "core/error.hpp"

namespace orrery::schedules {
namespace {

class ListScheduler {
  public:
    ListScheduler(Schedule& schedule, const ActionTimes& times, const ListRule& rule)
        : schedule_(schedule), times_(times), rule_(rule), devices_(schedule.orders.size()) {
        const int stages = schedule.stages();
        inputs_ = schedule.stage_inputs;
        if (inputs_.empty()) {
            inputs_.resize(stages);
            for (int stage = 1; stage < stages; ++stage) inputs_[stage] = {stage - 1};
        }
        outputs_.resize(stages);
        for (int stage = 0; stage < stages; ++stage)
            for (const int input : inputs_[stage]) outputs_[input].push_back(stage);
        const auto size = static_cast<std::size_t>(stages) * schedule.micro_batches;
        missing_forward_.resize(size);
        missing_backward_.resize(size);
        for (int stage = 0; stage < stages; ++stage)
            for (int k = 0; k < schedule.micro_batches; ++k) {
                missing_forward_[at(stage, k)] = static_cast<int>(inputs_[stage].size());
                // Its own forward counts as one more input of a backward.
                missing_backward_[at(stage, k)] = static_cast<int>(outputs_[stage].size()) + 1;
            }
    }

    void run() {
        for (int stage = 0; stage < schedule_.stages(); ++stage)
            for (int k = 0; k < schedule_.micro_batches; ++k)
                if (inputs_[stage].empty()) announce({ActionKind::forward, k, stage}, 0);
        while (!events_.empty()) {
            const double now = events_.top().time;
            std::vector<int> touched;
            while (!events_.empty() && events_.top().time <= now + kSameTime * (1 + now)) {
                const Event event = events_.top();
                events_.pop();
                touched.push_back(take(event));
            }
            for (const int device : touched) dispatch(device, now);
        }
        require_all_run();
    }

  private:
    static constexpr double kSameTime = 1e-12;

    struct Event {
        double time = 0;
        std::size_t number = 0;
        Action action;
        bool ends = false;  ///< the action ends; otherwise it becomes ready
        bool operator>(const Event& other) const {
            return std::tie(time, number) > std::tie(other.time, other.number);
        }
    };
    struct Waiting {
        std::int64_t urgency = 0;
        std::size_t number = 0;
        Action action;
        bool operator>(const Waiting& other) const {
            return std::tie(urgency, number) > std::tie(other.urgency, other.number);
        }
    };
    template <class T>
    using SmallestFirst = std::priority_queue<T, std::vector<T>, std::greater<>>;
    struct Device {
        bool busy = false;
        int alive = 0;
        SmallestFirst<Waiting> forwards, backwards;
    };

    std::size_t at(int stage, int k) const {
        return static_cast<std::size_t>(stage) * schedule_.micro_batches + k;
    }
    int holder(int stage) const { return schedule_.placement[0][stage]; }
    double latency(int from, int to) const { return holder(from) == holder(to) ? 0 : times_.communication; }

    void announce(const Action& action, double time) { events_.push({time, count_++, action, false}); }

    /// Gives the device that has to look for work.
    int take(const Event& event) {
        const int device = holder(event.action.stage);
        if (event.ends) {
            devices_[device].busy = false;
            spread(event.action, event.time);
        } else {
            auto& queue = event.action.kind == ActionKind::forward ? devices_[device].forwards
                                                                   : devices_[device].backwards;
            queue.push({rule_.urgency(event.action), event.number, event.action});
        }
        return device;
    }

    void spread(const Action& done, double now) {
        const int k = done.micro_batch;
        const auto feed = [&](std::vector<int>& missing, ActionKind kind, int stage) {
            double& ready = ready_time(kind, stage, k);
            ready = std::max(ready, now + latency(done.stage, stage));
            if (--missing[at(stage, k)] == 0) announce({kind, k, stage}, ready);
        };
        if (done.kind == ActionKind::forward) {
            for (const int output : outputs_[done.stage]) feed(missing_forward_, ActionKind::forward, output);
            feed(missing_backward_, ActionKind::backward, done.stage);
        } else {
            --devices_[holder(done.stage)].alive;
            for (const int input : inputs_[done.stage]) feed(missing_backward_, ActionKind::backward, input);
        }
    }
    double& ready_time(ActionKind kind, int stage, int k) {
        auto& table = kind == ActionKind::forward ? forward_ready_ : backward_ready_;
        if (table.empty()) table.assign(missing_forward_.size(), 0.0);
        return table[at(stage, k)];
    }

    void dispatch(int device, double now) {
        Device& d = devices_[device];
        if (d.busy) return;
        const bool may_forward =
            !d.forwards.empty() && (rule_.most_alive.empty() || d.alive < rule_.most_alive[device]);
        const bool may_backward = !d.backwards.empty();
        if (!may_forward && !may_backward) return;
        const bool backward =
            may_backward && (!may_forward || d.backwards.top().urgency <= d.forwards.top().urgency);
        auto& queue = backward ? d.backwards : d.forwards;
        const Action action = queue.top().action;
        queue.pop();
        if (!backward) ++d.alive;
        d.busy = true;
        schedule_.orders[device].push_back(action);
        events_.push({now + duration(action), count_++, action, true});
    }

    double duration(const Action& action) const {
        return action.kind == ActionKind::forward ? times_.forward
                                                  : times_.backward_input + times_.backward_weight;
    }

    void require_all_run() const {
        std::size_t run = 0;
        for (const auto& order : schedule_.orders) run += order.size();
        if (run != 2 * missing_forward_.size())
            throw SimulationError(fmt::format("schedule {}: its rule lets only {} of {} actions run",
                                              schedule_.name, run, 2 * missing_forward_.size()));
    }

    Schedule& schedule_;
    const ActionTimes& times_;
    const ListRule& rule_;
    std::vector<Device> devices_;
    std::vector<std::vector<int>> inputs_, outputs_;
    std::vector<int> missing_forward_, missing_backward_;
    std::vector<double> forward_ready_, backward_ready_;
    SmallestFirst<Event> events_;
    std::size_t count_ = 0;
};

}  // namespace

void schedule_by_rule(Schedule& schedule, const ActionTimes& times, const ListRule& rule) {
    ListScheduler(schedule, times, rule).run();
}

}  // namespace orrery::schedules
