#include "schedules/list_scheduling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <tuple>

#include "core/error.hpp"
#include "schedules/stage_graph.hpp"

namespace orrery::schedules {
namespace {

constexpr double kSameTime = 1e-12;

/// A forward or backward as one number: (stage, micro-batch, kind).
using Code = std::uint32_t;

/// Something that happens at a time; of several at once the one announced first comes first.
struct Event {
    double time = 0;
    std::uint32_t number = 0;
    Code action = 0;
    bool operator>(const Event& other) const {
        return std::tie(time, number) > std::tie(other.time, other.number);
    }
};

struct Waiting {
    std::int64_t urgency = 0;
    std::uint32_t number = 0;
    Code action = 0;
    bool operator>(const Waiting& other) const {
        return std::tie(urgency, number) > std::tie(other.urgency, other.number);
    }
};

template <class T>
using SmallestFirst = std::priority_queue<T, std::vector<T>, std::greater<>>;

/// Events that mostly are announced in the order of their times: those stand in a row, the others in a heap.
class EventRow {
  public:
    void push(const Event& event) {
        if (first_ == row_.size()) {
            row_.clear();
            first_ = 0;
        }
        if (row_.empty() || !(row_.back() > event))
            row_.push_back(event);
        else
            late_.push(event);
    }
    [[nodiscard]] bool empty() const { return first_ == row_.size() && late_.empty(); }
    [[nodiscard]] const Event& top() const { return late_first() ? late_.top() : row_[first_]; }
    void pop() {
        if (late_first())
            late_.pop();
        else
            ++first_;
    }

  private:
    [[nodiscard]] bool late_first() const {
        return first_ == row_.size() || (!late_.empty() && row_[first_] > late_.top());
    }
    std::vector<Event> row_;
    std::size_t first_ = 0;
    SmallestFirst<Event> late_;
};

class ListScheduler {
  public:
    ListScheduler(Schedule& schedule, const ActionTimes& times, const ListRule& rule)
        : schedule_(schedule),
          times_(times),
          rule_(rule),
          graph_(schedule),
          devices_(schedule.orders.size()) {
        const int stages = schedule.stages();
        tasks_.resize(std::size_t{2} * stages * schedule.micro_batches);
        for (int stage = 0; stage < stages; ++stage) {
            const auto inputs = static_cast<int>(graph_.inputs(stage).size());
            // Its own forward counts as one more input of a backward.
            const auto outputs = static_cast<int>(graph_.outputs(stage).size()) + 1;
            for (int k = 0; k < schedule.micro_batches; ++k) {
                tasks_[code(ActionKind::forward, stage, k)].missing = inputs;
                tasks_[code(ActionKind::backward, stage, k)].missing = outputs;
            }
        }
        std::vector<std::size_t> stages_of(devices_.size(), 0);
        for (const int device : schedule.placement[0]) ++stages_of[device];
        for (std::size_t device = 0; device < devices_.size(); ++device)
            schedule.orders[device].reserve(2 * stages_of[device] * schedule.micro_batches);
    }

    void run() {
        for (int stage = 0; stage < schedule_.stages(); ++stage)
            for (int k = 0; k < schedule_.micro_batches; ++k)
                if (graph_.inputs(stage).empty())
                    ready_.push({0, count_++, code(ActionKind::forward, stage, k)});
        std::vector<int> touched;
        while (!ready_.empty() || !ends_.empty()) {
            const double now = ready_first() ? ready_.top().time : ends_.top().time;
            const double same = now + kSameTime * (1 + now);
            touched.clear();
            while (true) {
                const bool ready = ready_first();
                if ((ready && ready_.empty()) || (!ready && ends_.empty())) break;
                const Event event = ready ? ready_.top() : ends_.top();
                if (event.time > same) break;
                ready ? ready_.pop() : ends_.pop();
                touched.push_back(ready ? queue(event) : finish(event));
            }
            for (const int device : touched) dispatch(device, now);
        }
        require_all_run();
    }

  private:
    /// A forward or backward that has not run yet.
    struct Task {
        int missing = 0;   ///< inputs
        double ready = 0;  ///< when the last of those that are there arrived
    };
    struct Device {
        bool busy = false;
        int alive = 0;
        SmallestFirst<Waiting> forwards, backwards;
    };

    Code code(ActionKind kind, int stage, int k) const {
        const Code at = static_cast<Code>(stage) * static_cast<Code>(schedule_.micro_batches) + k;
        return 2 * at + (kind == ActionKind::backward ? 1 : 0);
    }
    Action action(Code code) const {
        const auto m = static_cast<Code>(schedule_.micro_batches);
        return {is_backward(code) ? ActionKind::backward : ActionKind::forward,
                static_cast<std::int32_t>(code / 2 % m), static_cast<std::int32_t>(code / 2 / m)};
    }
    static bool is_backward(Code code) { return code % 2 == 1; }
    int holder(int stage) const { return schedule_.placement[0][stage]; }

    /// Whether what comes next is that an action becomes ready; otherwise one ends.
    bool ready_first() const { return ends_.empty() || (!ready_.empty() && ends_.top() > ready_.top()); }

    /// An action is ready: gives the device that has to look for work.
    int queue(const Event& event) {
        const Action ready = action(event.action);
        Device& device = devices_[holder(ready.stage)];
        auto& waiting = is_backward(event.action) ? device.backwards : device.forwards;
        waiting.push({rule_.urgency(ready), event.number, event.action});
        return holder(ready.stage);
    }

    /// An action has ended: feeds what needs it, and gives its device.
    int finish(const Event& event) {
        const Action done = action(event.action);
        const int device = holder(done.stage);
        devices_[device].busy = false;
        const auto feed = [&](ActionKind kind, int stage) {
            const double latency = holder(stage) == device ? 0 : times_.communication;
            const Code fed = code(kind, stage, done.micro_batch);
            Task& task = tasks_[fed];
            task.ready = std::max(task.ready, event.time + latency);
            if (--task.missing == 0) ready_.push({task.ready, count_++, fed});
        };
        if (done.kind == ActionKind::forward) {
            for (const int output : graph_.outputs(done.stage)) feed(ActionKind::forward, output);
            feed(ActionKind::backward, done.stage);
        } else {
            --devices_[device].alive;
            for (const int input : graph_.inputs(done.stage)) feed(ActionKind::backward, input);
        }
        return device;
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
        auto& waiting = backward ? d.backwards : d.forwards;
        const Code next = waiting.top().action;
        waiting.pop();
        if (!backward) ++d.alive;
        d.busy = true;
        schedule_.orders[device].push_back(action(next));
        const double length = backward ? times_.backward_input + times_.backward_weight : times_.forward;
        ends_.push({now + length, count_++, next});
    }

    void require_all_run() const {
        std::size_t run = 0;
        for (const auto& order : schedule_.orders) run += order.size();
        if (run != tasks_.size())
            throw SimulationError(fmt::format("schedule {}: its rule lets only {} of {} actions run",
                                              schedule_.name, run, tasks_.size()));
    }

    Schedule& schedule_;
    const ActionTimes& times_;
    const ListRule& rule_;
    StageGraph graph_;
    std::vector<Device> devices_;
    std::vector<Task> tasks_;    ///< by code
    EventRow ready_;             ///< actions that become ready
    SmallestFirst<Event> ends_;  ///< of the actions that run: at most one a device
    std::uint32_t count_ = 0;
};

}  // namespace

void schedule_by_rule(Schedule& schedule, const ActionTimes& times, const ListRule& rule) {
    ListScheduler(schedule, times, rule).run();
}

}  // namespace orrery::schedules
