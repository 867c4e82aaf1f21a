// The checks of `validate` (sim/program.hpp). Work is per rank program and per (communicator, member), not
// per task of every rank: members that run the same rank program on the same slot need no comparison.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "sim/engine/packed_program.hpp"
#include "sim/program.hpp"

namespace orrery::sim {
namespace {

/// The tasks of a rank program that lie on one communicator slot, in issue order.
using Operations = std::vector<TaskId>;

class Validation {
  public:
    explicit Validation(const Program& p) : program(p) {}

    void run() {
        check_works();
        for (std::size_t i = 0; i < program.rank_programs.size(); ++i) {
            check_arrays(i);
            check_indices(i);
            check_memory(i);
            collect_operations(i);
        }
        check_ranks();
        check_communicators();
    }

  private:
    [[noreturn]] static void fail(const std::string& message) { throw SimulationError(message); }
    [[noreturn]] static void fail(std::size_t rank_program, std::size_t task, const std::string& message) {
        fail(fmt::format("rank program {}, task {}: {}", rank_program, task, message));
    }

    void check_works() const {
        for (std::size_t i = 0; i < program.works.size(); ++i) {
            const auto* collective = std::get_if<Collective>(&program.works[i]);
            if (collective != nullptr && collective->group >= program.groups.size())
                fail(fmt::format("work {}: group {} does not exist", i, collective->group));
            if (collective != nullptr) check_matrix(i, *collective);
        }
    }

    void check_matrix(std::size_t work, const Collective& collective) const {
        if (collective.kind != CollectiveKind::all_to_all_v) {
            if (collective.matrix != kNoMatrix)
                fail(fmt::format("work {}: only an all-to-all-v has a matrix", work));
            return;
        }
        if (collective.matrix >= program.matrices.size())
            fail(fmt::format("work {}: an all-to-all-v whose matrix does not exist", work));
        const TrafficMatrix& matrix = program.matrices[collective.matrix];
        const std::size_t members = program.groups[collective.group].devices.size();
        if (matrix.members != members || matrix.bytes.size() != members * members)
            fail(fmt::format("work {}: matrix {} has {} entries for {} members, its group has {} devices",
                             work, collective.matrix, matrix.bytes.size(), matrix.members, members));
        for (const double bytes : matrix.bytes)
            if (!(bytes >= 0 && std::isfinite(bytes)))
                fail(fmt::format("work {}: matrix {} has an entry of {} bytes", work, collective.matrix,
                                 bytes));
        const double mean = matrix.mean_sent();
        if (std::abs(collective.bytes - mean) > 1e-6 * std::max(mean, 1.0))
            fail(fmt::format("work {}: an all-to-all-v of {} bytes, but its matrix has {} a member", work,
                             collective.bytes, mean));
    }

    void check_arrays(std::size_t index) const {
        const RankProgram& tasks = program.rank_programs[index];
        const std::size_t n = tasks.size();
        const auto expect = [&](std::size_t size, std::size_t wanted, const char* array) {
            if (size != wanted)
                fail(fmt::format("rank program {}: array {} has {} entries, {} expected", index, array, size,
                                 wanted));
        };
        expect(tasks.stream.size(), n, "stream");
        expect(tasks.flags.size(), n, "flags");
        expect(tasks.communicator_slot.size(), n, "communicator_slot");
        expect(tasks.sequence.size(), n, "sequence");
        expect(tasks.label.size(), n, "label");
        expect(tasks.dependency_begin.size(), n + 1, "dependency_begin");
        if (tasks.dependency_begin.front() != 0 || tasks.dependency_begin.back() != tasks.dependency.size() ||
            !std::is_sorted(tasks.dependency_begin.begin(), tasks.dependency_begin.end()))
            fail(
                fmt::format("rank program {}: dependency_begin does not divide the array dependency", index));
        if (tasks.streams.size() > kMaximumStreams)
            fail(fmt::format("rank program {}: {} streams; at most {} are possible", index,
                             tasks.streams.size(), kMaximumStreams));
    }

    void check_indices(std::size_t index) const {
        const RankProgram& tasks = program.rank_programs[index];
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            if (tasks.stream[i]() >= tasks.streams.size()) fail(index, i, "its stream does not exist");
            if (tasks.work[i]() >= program.works.size()) fail(index, i, "its work does not exist");
            const auto name = static_cast<std::size_t>(tasks.label[i].name);
            if (name >= program.names.size()) fail(index, i, "its name does not exist");
        }
        for (const TaskId before : tasks.dependency)
            if (before() >= tasks.size())
                fail(fmt::format("rank program {}: a dependency on task {}, which does not exist", index,
                                 before.value));
    }

    void check_memory(std::size_t index) const {
        const RankProgram& tasks = program.rank_programs[index];
        TaskId last(0);
        for (const MemoryEvent& event : tasks.memory) {
            if (event.task() >= tasks.size() || event.kind >= MemoryKind::kCount)
                fail(fmt::format("rank program {}: a memory event of a task or kind that does not exist",
                                 index));
            if (event.task < last) fail(index, event.task(), "memory events are not ordered by task");
            last = event.task;
        }
    }

    /// Per slot: operations numbered 0, 1, 2, ... in issue order and all on one stream, so that the order in
    /// which a rank reaches them is the order of the communicator.
    void collect_operations(std::size_t index) {
        const RankProgram& tasks = program.rank_programs[index];
        std::vector<Operations> slots;
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const std::uint32_t slot = tasks.communicator_slot[i];
            if (slot == kNoCommunicator) continue;
            if (slot >= program.communicators.size()) fail(index, i, "its communicator slot does not exist");
            if (slot >= slots.size()) slots.resize(slot + 1);
            Operations& operations = slots[slot];
            if (tasks.sequence[i] != operations.size())
                fail(index, i,
                     fmt::format(
                         "is numbered operation {} of its communicator, but is number {} in issue order",
                         tasks.sequence[i], operations.size()));
            if (!operations.empty() && tasks.stream[operations.front()()] != tasks.stream[i])
                fail(index, i, "the operations of one communicator lie on two streams of the rank");
            operations.push_back(TaskId(i));
        }
        operations_of.push_back(std::move(slots));
    }

    void check_ranks() const {
        if (program.first_task.size() != program.ranks.size() + 1 || program.first_task.front() != 0)
            fail("first_task does not have one entry more than there are ranks, beginning with 0");
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const Rank& rank = program.ranks[r];
            if (rank.program >= program.rank_programs.size())
                fail(fmt::format("rank {}: its program does not exist", r));
            if (rank.multiplicity == 0) fail(fmt::format("rank {}: stands for no real rank", r));
            if (program.first_task[r] + program.program_of(RankId(r)).size() != program.first_task[r + 1])
                fail(fmt::format("rank {}: first_task does not count its tasks", r));
            if (operations_of[rank.program].size() > rank.communicators.size())
                fail(fmt::format("rank {}: its tasks use {} communicator slots, it has {}", r,
                                 operations_of[rank.program].size(), rank.communicators.size()));
        }
    }

    /// (member, slot) of every communicator, from the ranks' side.
    [[nodiscard]] std::vector<std::vector<std::pair<RankId, std::uint32_t>>> slots_by_communicator() const {
        std::vector<std::vector<std::pair<RankId, std::uint32_t>>> slots(program.communicators.size());
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const auto& list = program.ranks[r].communicators;
            for (std::size_t slot = 0; slot < list.size(); ++slot) {
                if (list[slot]() >= slots.size())
                    fail(fmt::format("rank {}: communicator {} does not exist", r, list[slot].value));
                slots[list[slot]()].emplace_back(RankId(r), static_cast<std::uint32_t>(slot));
            }
        }
        return slots;
    }

    void check_communicators() {
        const auto slots = slots_by_communicator();
        for (std::size_t c = 0; c < program.communicators.size(); ++c) {
            check_members(CommunicatorId(c), slots[c]);
            for (const auto& [rank, slot] : slots[c])
                check_operations(CommunicatorId(c), slots[c].front(), {rank, slot});
        }
    }

    void check_members(CommunicatorId id, const std::vector<std::pair<RankId, std::uint32_t>>& slots) const {
        const Communicator& communicator = program.communicators[id()];
        std::vector<RankId> members = communicator.members;
        std::sort(members.begin(), members.end());
        const bool twice = std::adjacent_find(members.begin(), members.end()) != members.end();
        const bool same = std::equal(members.begin(), members.end(), slots.begin(), slots.end(),
                                     [](RankId member, const auto& slot) { return member == slot.first; });
        if (members.empty() || twice || !same)
            fail(fmt::format("communicator '{}': its members are not the ranks that list it, each once",
                             communicator.name));
    }

    [[nodiscard]] const Operations& operations(std::pair<RankId, std::uint32_t> member) const {
        static const Operations none;
        const auto& slots = operations_of[program.ranks[member.first()].program];
        return member.second < slots.size() ? slots[member.second] : none;
    }

    /// The second member performs the same works as the first, as many as the communicator says.
    void check_operations(CommunicatorId id, std::pair<RankId, std::uint32_t> first,
                          std::pair<RankId, std::uint32_t> second) {
        const Communicator& communicator = program.communicators[id()];
        const std::uint32_t first_program = program.ranks[first.first()].program;
        const std::uint32_t second_program = program.ranks[second.first()].program;
        const Operations& a = operations(first);
        const Operations& b = operations(second);
        if (b.size() != communicator.operations)
            fail(fmt::format("communicator '{}' has {} operations, but rank {} performs {}",
                             communicator.name, communicator.operations, second.first.value, b.size()));
        const bool two = communicator.members.size() <= 2;
        if (!compared.emplace(first_program, first.second, second_program, second.second * 2 + (two ? 1 : 0))
                 .second)
            return;
        const RankProgram& tasks_a = program.rank_programs[first_program];
        const RankProgram& tasks_b = program.rank_programs[second_program];
        for (std::size_t i = 0; i < a.size(); ++i) {
            const WorkId work = tasks_a.work[a[i]()];
            if (work != tasks_b.work[b[i]()])
                throw SimulationError(
                    fmt::format("communicator '{}': members disagree on operation {}:", communicator.name, i),
                    {describe(program, first.first, a[i]), describe(program, second.first, b[i])});
            const auto* collective = std::get_if<Collective>(&program.works[work()]);
            if (collective != nullptr && collective->kind == CollectiveKind::send_recv && !two)
                fail(fmt::format("communicator '{}': a send-recv among {} members", communicator.name,
                                 communicator.members.size()));
            if (collective != nullptr && collective->kind == CollectiveKind::all_to_all_v)
                check_order(communicator, *collective);
        }
    }

    /// Rows of the matrix are members of the communicator, in the group's order if all of them are simulated.
    /// The group may be that of another copy of the rank program: the same devices, shifted.
    void check_order(const Communicator& communicator, const Collective& collective) const {
        const std::vector<std::uint32_t>& devices = program.groups[collective.group].devices;
        if (devices.size() != communicator.members.size()) return;
        const std::uint32_t first = program.ranks[communicator.members.front()()].device;
        const bool same = std::ranges::equal(
            communicator.members, devices, {},
            [&](RankId rank) { return program.ranks[rank()].device - first; },
            [&](std::uint32_t device) { return device - devices.front(); });
        if (!same)
            fail(
                fmt::format("communicator '{}': its members do not stand in the order of the group of an "
                            "all-to-all-v",
                            communicator.name));
    }

    const Program& program;
    std::vector<std::vector<Operations>> operations_of;  ///< [rank program][slot]
    /// Pairs of (rank program, slot) already compared; the last number is 2 * slot + (two members at most).
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>> compared;
};

}  // namespace

void validate(const Program& program) {
    Validation(program).run();
}

}  // namespace orrery::sim
