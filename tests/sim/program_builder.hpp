// tests/sim/program_builder.hpp
//
// Small programs for tests, written task by task. Every rank has a rank program of its own.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim::testing {

/// A work that takes `duration`, with a host that launches in no time.
inline WorkCost takes(double duration) {
    return {duration, 0, duration};
}
/// A work whose launch takes `launch` before it can run for `duration`.
inline WorkCost launched(double launch, double duration) {
    return {duration, launch, launch + duration};
}

class ProgramBuilder {
  public:
    ProgramBuilder() { program.names = {"task"}; }

    RankId rank(std::initializer_list<StreamKind> kinds) { return rank(std::vector<StreamKind>(kinds)); }
    RankId rank(const std::vector<StreamKind>& kinds) {
        Rank rank;
        rank.program = static_cast<std::uint32_t>(program.rank_programs.size());
        rank.device = rank.program;
        program.ranks.push_back(rank);
        RankProgram& tasks = program.rank_programs.emplace_back();
        for (const StreamKind kind : kinds) tasks.streams.push_back({kind, -1});
        tasks.dependency_begin.push_back(0);
        return RankId(program.ranks.size() - 1);
    }

    WorkId kernel(WorkCost cost) { return work(KernelSequence{}, cost); }
    WorkId collective(CollectiveKind kind, double bytes, const std::vector<std::uint32_t>& devices,
                      WorkCost cost) {
        program.groups.push_back({devices});
        return work(Collective{kind, bytes, static_cast<std::uint32_t>(program.groups.size() - 1)}, cost);
    }

    /// An all-to-all-v of `matrix`, its bytes row by row.
    WorkId all_to_all_v(const std::vector<double>& matrix, const std::vector<std::uint32_t>& devices,
                        WorkCost cost) {
        program.groups.push_back({devices});
        program.matrices.push_back({static_cast<std::uint32_t>(devices.size()), matrix});
        Collective collective{CollectiveKind::all_to_all_v, program.matrices.back().mean_sent(),
                              static_cast<std::uint32_t>(program.groups.size() - 1)};
        collective.matrix = static_cast<std::uint32_t>(program.matrices.size() - 1);
        return work(collective, cost);
    }

    CommunicatorId communicator(const std::vector<RankId>& members, const std::string& name = "group") {
        const CommunicatorId id(program.communicators.size());
        program.communicators.push_back({0, members, name});
        for (const RankId member : members) program.ranks[member()].communicators.push_back(id);
        return id;
    }

    TaskId task(RankId rank, std::size_t stream, WorkId work, const std::vector<TaskId>& after = {},
                std::uint8_t flags = 0) {
        return add(rank, stream, work, kNoCommunicator, 0, after, flags);
    }
    TaskId task(RankId rank, std::size_t stream, WorkId work, CommunicatorId communicator,
                const std::vector<TaskId>& after = {}, std::uint8_t flags = 0) {
        const auto& slots = program.ranks[rank()].communicators;
        const auto slot = std::find(slots.begin(), slots.end(), communicator) - slots.begin();
        std::uint32_t sequence = 0;
        for (const std::uint32_t other : tasks(rank).communicator_slot)
            if (other == static_cast<std::uint32_t>(slot)) ++sequence;
        std::uint32_t& operations = program.communicators[communicator()].operations;
        operations = std::max(operations, sequence + 1);
        return add(rank, stream, work, static_cast<std::uint32_t>(slot), sequence, after, flags);
    }

    RankProgram& tasks(RankId rank) { return program.rank_programs[rank()]; }

    const Program& build() {
        program.first_task.assign(1, 0);
        for (const Rank& rank : program.ranks)
            program.first_task.push_back(program.first_task.back() +
                                         program.rank_programs[rank.program].size());
        return program;
    }

    Program program;
    WorkCosts costs;

  private:
    WorkId work(Work what, WorkCost cost) {
        program.works.push_back(std::move(what));
        costs.push_back(cost);
        return WorkId(program.works.size() - 1);
    }

    TaskId add(RankId rank, std::size_t stream, WorkId work, std::uint32_t slot, std::uint32_t sequence,
               const std::vector<TaskId>& after, std::uint8_t flags) {
        RankProgram& list = tasks(rank);
        list.stream.push_back(StreamId(stream));
        list.work.push_back(work);
        list.flags.push_back(flags);
        list.communicator_slot.push_back(slot);
        list.sequence.push_back(sequence);
        list.dependency.insert(list.dependency.end(), after.begin(), after.end());
        list.dependency_begin.push_back(static_cast<std::uint32_t>(list.dependency.size()));
        list.label.emplace_back();
        return TaskId(list.size() - 1);
    }
};

/// Global number of a task.
inline std::size_t at(const Program& program, RankId rank, TaskId task) {
    return program.first_task[rank()] + task();
}

}  // namespace orrery::sim::testing
