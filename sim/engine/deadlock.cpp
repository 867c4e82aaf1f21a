#include "sim/engine/deadlock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sim/engine/packed_program.hpp"

namespace orrery::sim {
namespace {

struct Place {
    RankId rank;
    TaskId task;
    bool operator==(const Place&) const = default;
    bool operator<(const Place& other) const {
        return rank != other.rank ? rank < other.rank : task < other.task;
    }
};

/// What a task waits for. Without `place`: for something that will never come.
struct Wait {
    std::string reason;
    std::optional<Place> place;
};

class Explanation {
  public:
    Explanation(const Program& p, const Progress& at) : program(p), progress(at) {}

    [[nodiscard]] std::optional<Place> first_unfinished() const {
        for (std::size_t r = 0; r < program.ranks.size(); ++r)
            for (std::size_t i = progress.stream_begin[r]; i < progress.stream_begin[r + 1]; ++i)
                if (progress.head[i] != kNoTask) return Place{RankId(r), TaskId(progress.head[i])};
        return std::nullopt;
    }

    /// The head of the stream that `place` lies on: what really has to move first.
    [[nodiscard]] Place head_before(Place place) const {
        const RankProgram& tasks = program.program_of(place.rank);
        return {place.rank, TaskId(head(place.rank, tasks.stream[place.task()]))};
    }

    [[nodiscard]] Wait wait_of(Place place) const {
        if (const auto wait = wait_for_host(place)) return *wait;
        if (const auto wait = wait_for_dependency(place)) return *wait;
        return wait_for_members(place);
    }

    [[nodiscard]] std::string name(Place place) const { return describe(program, place.rank, place.task); }

  private:
    [[nodiscard]] std::uint32_t head(RankId rank, StreamId stream) const {
        return progress.head[progress.stream_begin[rank()] + stream()];
    }
    [[nodiscard]] bool ended(RankId rank, TaskId task) const {
        const std::uint32_t first = head(rank, program.program_of(rank).stream[task()]);
        return first == kNoTask || task.value < first;
    }

    [[nodiscard]] std::optional<Wait> wait_for_host(Place place) const {
        const RankProgram& tasks = program.program_of(place.rank);
        for (std::size_t i = 0; i < place.task(); ++i)
            if ((tasks.flags[i] & kHostWaits) != 0 && !ended(place.rank, TaskId(i)))
                return Wait{"is not yet issued: the host waits for", Place{place.rank, TaskId(i)}};
        return std::nullopt;
    }

    [[nodiscard]] std::optional<Wait> wait_for_dependency(Place place) const {
        for (const TaskId before : program.program_of(place.rank).dependencies(place.task))
            if (!ended(place.rank, before)) return Wait{"depends on", Place{place.rank, before}};
        return std::nullopt;
    }

    [[nodiscard]] Wait wait_for_members(Place place) const {
        const RankProgram& tasks = program.program_of(place.rank);
        const std::uint32_t slot = tasks.communicator_slot[place.task()];
        if (slot == kNoCommunicator) return {"could run (a defect of the engine)", std::nullopt};
        const CommunicatorId id = program.ranks[place.rank()].communicators[slot];
        const Communicator& communicator = program.communicators[id()];
        const std::uint32_t sequence = tasks.sequence[place.task()];
        for (const RankId member : communicator.members) {
            if (member == place.rank) continue;
            const auto task = operation(member, id, sequence);
            if (!task)
                return {
                    fmt::format("waits in operation {} of communicator '{}' for rank {}, which has no such "
                                "operation",
                                sequence, communicator.name, member.value),
                    std::nullopt};
            const Place other{member, *task};
            if (head_before(other) != other || wait_for_host(other) || wait_for_dependency(other))
                return {fmt::format("waits in operation {} of communicator '{}' for", sequence,
                                    communicator.name),
                        other};
        }
        return {
            fmt::format(
                "waits in operation {} of communicator '{}', whose {} members are all there, or are fewer",
                sequence, communicator.name, communicator.members.size()),
            std::nullopt};
    }

    /// The member's task that is the n-th operation of the communicator.
    [[nodiscard]] std::optional<TaskId> operation(RankId member, CommunicatorId id,
                                                  std::uint32_t sequence) const {
        const RankProgram& tasks = program.program_of(member);
        const auto& slots = program.ranks[member()].communicators;
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const std::uint32_t slot = tasks.communicator_slot[i];
            if (slot != kNoCommunicator && slots[slot] == id && tasks.sequence[i] == sequence)
                return TaskId(i);
        }
        return std::nullopt;
    }

    const Program& program;
    const Progress& progress;
};

}  // namespace

SimulationError explain_deadlock(const Program& program, const Progress& progress) {
    const Explanation explanation(program, progress);
    auto place = explanation.first_unfinished();
    if (!place)
        return SimulationError("the engine stopped although every task has ended (a defect of Orrery)");

    std::vector<std::string> steps;
    std::map<Place, std::size_t> visited;
    while (visited.emplace(*place, steps.size()).second) {
        const Wait wait = explanation.wait_of(*place);
        std::string step = fmt::format("{} {}", explanation.name(*place), wait.reason);
        if (!wait.place) {
            steps.push_back(std::move(step));
            return SimulationError("the program cannot proceed:", std::move(steps));
        }
        step += fmt::format(" {}", explanation.name(*wait.place));
        const Place front = explanation.head_before(*wait.place);
        if (front != *wait.place) step += fmt::format(", which is queued behind {}", explanation.name(front));
        steps.push_back(std::move(step));
        place = front;
    }
    steps.erase(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(visited.at(*place)));
    return SimulationError("deadlock: these tasks wait for each other:", std::move(steps));
}

SimulationError explain_mismatch(const Program& program, CommunicatorId communicator, RankId first_rank,
                                 TaskId first_task, RankId second_rank, TaskId second_task) {
    return SimulationError(
        fmt::format("communicator '{}': members disagree on one operation:",
                    program.communicators[communicator()].name),
        {describe(program, first_rank, first_task), describe(program, second_rank, second_task)});
}

}  // namespace orrery::sim
