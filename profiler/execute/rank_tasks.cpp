#include "profiler/execute/rank_tasks.hpp"

#include <fmt/format.h>

#include <new>
#include <variant>

#include "core/error.hpp"

namespace orrery::profiler {

RankTasks::RankTasks(const sim::Program& program, sim::RankId rank)
    : program_(program),
      list_(program.program_of(rank)),
      rank_(rank),
      of_stream_(list_.streams.size()),
      event_(list_.size() + 1, 0) {
    for (std::uint32_t task = 0; task < list_.size(); ++task) of_stream_[stream_of(task)].push_back(task);
    for (const sim::MemoryEvent& event : list_.memory) ++event_[event.task() + 1];
    for (std::size_t i = 1; i < event_.size(); ++i) event_[i] += event_[i - 1];
}

sim::CommunicatorId RankTasks::communicator_of(std::uint32_t task) const {
    return program_.ranks[rank_()].communicators[list_.communicator_slot[task]];
}

const sim::Collective& RankTasks::operation_of(std::uint32_t task) const {
    const auto* work = std::get_if<sim::Collective>(&program_.works[list_.work[task]()]);
    if (work == nullptr) throw ExperimentError(describe(task) + ": is no collective");
    return *work;
}

bool RankTasks::sends(std::uint32_t task) const {
    switch (list_.streams[stream_of(task)].kind) {
        case sim::StreamKind::pp_send:
        case sim::StreamKind::copy_out:
            return true;
        case sim::StreamKind::pp_recv:
        case sim::StreamKind::copy_in:
            return false;
        default:
            return program_.communicators[communicator_of(task)()].members.front() == rank_;
    }
}

std::span<const sim::MemoryEvent> RankTasks::events(std::uint32_t task) const {
    return std::span(list_.memory).subspan(event_[task], event_[task + 1] - event_[task]);
}

void RankTasks::take_memory(std::uint32_t task, RankMemory& memory) const {
    for (const sim::MemoryEvent& event : events(task)) {
        if (!(event.bytes > 0)) continue;
        try {
            memory.take(static_cast<std::size_t>(event.kind), event.bytes);
        } catch (const std::bad_alloc&) {
            throw ExperimentError(
                fmt::format("not enough memory: {} takes {:.0f} bytes of {} beside the {:.0f} held",
                            describe(task), event.bytes, to_string(event.kind), memory.held()));
        }
    }
}

void RankTasks::give_memory(std::uint32_t task, RankMemory& memory) const {
    for (const sim::MemoryEvent& event : events(task)) {
        if (event.bytes < 0) memory.give(static_cast<std::size_t>(event.kind), -event.bytes);
    }
}

void RankTasks::take_static_bytes(RankMemory& memory) const {
    try {
        for (std::size_t kind = 0; kind < list_.static_bytes.size(); ++kind)
            memory.take(kind, list_.static_bytes[kind]);
    } catch (const std::bad_alloc&) {
        throw ExperimentError(fmt::format("not enough memory for the static bytes of rank {}", rank_.value));
    }
}

std::string RankTasks::describe(std::uint32_t task) const {
    return sim::describe(program_, rank_, sim::TaskId(task));
}

std::string RankTasks::stuck(double seconds, std::size_t left, const std::vector<std::uint32_t>& in_flight,
                             const std::vector<std::uint32_t>& waiting) const {
    std::string text;
    for (const std::uint32_t task : in_flight) {
        text += "\n  in flight: " + describe(task);
        if (is_operation(task)) text += ", of " + program_.communicators[communicator_of(task)()].name;
    }
    if (in_flight.empty()) {
        for (const std::uint32_t task : waiting) text += "\n  waits: " + describe(task);
    }
    return fmt::format("nothing ended on rank {} for {:.3g} s; {} of its {} tasks are left:{}", rank_.value,
                       seconds, left, size(), text);
}

}  // namespace orrery::profiler
