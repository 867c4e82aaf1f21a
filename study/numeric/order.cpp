#include "study/numeric/order.hpp"

#include <algorithm>

namespace orrery::study::numeric {

using sim::RankId;
using sim::RankProgram;
using sim::TaskId;

std::string OrderRule::name() const {
    const std::string ahead = last_stages_first ? " (last stages ahead)" : " (first stages ahead)";
    switch (kind) {
        case Kind::simulated:
            return "the simulated order";
        case Kind::communication_first:
            return "communication as early as possible" + ahead;
        case Kind::communication_last:
            return "communication as late as possible" + ahead;
        case Kind::random:
            break;
    }
    return "random order " + std::to_string(seed);
}

Order::Order(const sim::Program& program, const sim::Timeline* timeline, OrderRule rule)
    : program_(program), timeline_(timeline), rule_(rule), random_(rule.seed) {
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const RankProgram& tasks = program.program_of(RankId(r));
        RankState& state = ranks_.emplace_back();
        state.streams.resize(tasks.streams.size());
        state.head.assign(tasks.streams.size(), 0);
        state.done.assign(tasks.size(), 0);
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            state.streams[tasks.stream[t]()].push_back(TaskId(t));
            if ((tasks.flags[t] & sim::kHostWaits) != 0) state.host_waits.push_back(TaskId(t));
        }
    }
    for (std::size_t r = 0; r < ranks_.size(); ++r) find_ready(r);
}

std::optional<TaskId> Order::head_of(std::size_t rank, std::size_t stream) const {
    const RankState& state = ranks_[rank];
    if (state.head[stream] >= state.streams[stream].size()) return std::nullopt;
    return state.streams[stream][state.head[stream]];
}

/// Its dependencies have ended, and no earlier task keeps the host from issuing it.
bool Order::may_run(std::size_t rank, TaskId task) const {
    const RankState& state = ranks_[rank];
    if (state.host < state.host_waits.size() && state.host_waits[state.host] < task) return false;
    const auto before = program_.program_of(RankId(rank)).dependencies(task);
    return std::ranges::all_of(before, [&](TaskId other) { return state.done[other()] != 0; });
}

/// All sides of the task's operation, where all may run.
std::optional<Event> Order::event_of(std::size_t rank, TaskId task) const {
    if (!may_run(rank, task)) return std::nullopt;
    const RankProgram& tasks = program_.program_of(RankId(rank));
    const std::uint32_t slot = tasks.communicator_slot[task()];
    if (slot == sim::kNoCommunicator) return Event{{{RankId(rank), task}}};
    const sim::CommunicatorId id = program_.ranks[rank].communicators[slot];
    const std::vector<RankId>& members = program_.communicators[id()].members;
    Event event;
    for (const RankId member : members) {
        const RankProgram& theirs = program_.program_of(member);
        const auto& slots = program_.ranks[member()].communicators;
        const auto its_slot = static_cast<std::uint32_t>(std::ranges::find(slots, id) - slots.begin());
        std::optional<TaskId> side;
        for (std::size_t stream = 0; stream < theirs.streams.size() && !side; ++stream) {
            const std::optional<TaskId> head = head_of(member(), stream);
            if (head && theirs.communicator_slot[(*head)()] == its_slot) side = head;
        }
        if (!side || theirs.sequence[(*side)()] != tasks.sequence[task()] || !may_run(member(), *side))
            return std::nullopt;
        event.sides.emplace_back(member, *side);
    }
    return event;
}

void Order::find_ready(std::size_t rank) {
    for (std::size_t stream = 0; stream < ranks_[rank].streams.size(); ++stream) {
        const std::optional<TaskId> head = head_of(rank, stream);
        std::optional<Event> event = head ? event_of(rank, *head) : std::nullopt;
        if (!event) continue;
        const auto known = std::ranges::find(ready_, event->sides.front(),
                                             [](const Event& other) { return other.sides.front(); });
        if (known == ready_.end()) ready_.push_back(std::move(*event));
    }
}

double Order::start_of(const Event& event) const {
    const auto& [rank, task] = event.sides.front();
    if (timeline_ == nullptr) return static_cast<double>(task());
    return timeline_->start[program_.first_task[rank()] + task()];
}

int Order::patience(const Event& event) const {
    const auto& [rank, task] = event.sides.front();
    const RankProgram& tasks = program_.program_of(rank);
    switch (tasks.streams[tasks.stream[task()]()].kind) {
        case sim::StreamKind::compute:
            return 0;
        case sim::StreamKind::tp:
        case sim::StreamKind::cp:
        case sim::StreamKind::ep:
            return 1;
        case sim::StreamKind::dp:
            return 3;
        default:
            return 2;
    }
}

std::size_t Order::choose() {
    if (rule_.kind == OrderRule::Kind::random) return random_() % ready_.size();
    if (rule_.kind == OrderRule::Kind::simulated) {
        const auto least = std::ranges::min_element(
            ready_, {}, [&](const Event& event) { return std::pair(start_of(event), event.sides.size()); });
        return static_cast<std::size_t>(least - ready_.begin());
    }
    const bool first = rule_.kind == OrderRule::Kind::communication_first;
    const int sign = rule_.last_stages_first ? -1 : 1;
    const auto most_urgent = std::ranges::min_element(ready_, {}, [&](const Event& event) {
        const auto rank = static_cast<int>(event.sides.front().first());
        return std::pair(first ? -std::min(patience(event), 1) : patience(event), sign * rank);
    });
    return static_cast<std::size_t>(most_urgent - ready_.begin());
}

std::optional<Event> Order::next() {
    if (ready_.empty()) return std::nullopt;
    const std::size_t chosen = choose();
    std::swap(ready_[chosen], ready_.back());
    Event event = std::move(ready_.back());
    ready_.pop_back();
    finish(event);
    for (const auto& side : event.sides) find_ready(side.first());
    return event;
}

void Order::finish(const Event& event) {
    for (const auto& [rank, task] : event.sides) {
        RankState& state = ranks_[rank()];
        state.done[task()] = 1;
        ++state.head[program_.program_of(rank).stream[task()]()];
        while (state.host < state.host_waits.size() && state.done[state.host_waits[state.host]()] != 0)
            ++state.host;
    }
}

std::vector<std::string> Order::waiting() const {
    std::vector<std::string> tasks;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank)
        for (std::size_t stream = 0; stream < ranks_[rank].streams.size(); ++stream)
            if (const std::optional<TaskId> head = head_of(rank, stream))
                tasks.push_back(describe(program_, RankId(rank), *head));
    return tasks;
}

}  // namespace orrery::study::numeric
