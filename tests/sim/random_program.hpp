// tests/sim/random_program.hpp
//
// Random programs over several ranks, streams and communicators. All times are whole numbers, so that every
// order of adding them gives the same double.
#pragma once

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/sim/program_builder.hpp"

namespace orrery::sim::testing {

struct RandomShape {
    int most_ranks = 5;
    int most_streams = 4;
    int steps = 40;
    bool host_waits = true;
    bool shuffle = false;  ///< issue streams of a rank in a random interleaving: may deadlock with host_waits
    bool communicators = true;
};

class RandomProgram {
  public:
    RandomProgram(unsigned seed, const RandomShape& s) : shape(s), random(seed) {
        const int ranks = between(1, shape.most_ranks);
        for (int r = 0; r < ranks; ++r)
            all.push_back(builder.rank(std::vector<StreamKind>(
                static_cast<std::size_t>(between(1, shape.most_streams)), StreamKind::compute)));
        for (int w = 0; w < 6; ++w) kernels.push_back(builder.kernel(random_cost()));
        if (shape.communicators)
            for (int c = 0; c < between(1, 4); ++c) add_communicator();
        for (int step = 0; step < shape.steps; ++step) add_step();
        if (shape.shuffle)
            for (const RankId rank : all) shuffle_issue_order(rank);
        builder.build();
    }

    ProgramBuilder builder;

  private:
    struct Group {
        CommunicatorId id;
        std::vector<RankId> members;
        std::vector<std::size_t> streams;
        std::vector<WorkId> works;
    };

    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

    WorkCost random_cost() {
        const double duration = between(0, 20);
        const double launch = between(0, 6);
        return {duration, launch, launch + duration + between(0, 3)};
    }

    std::size_t random_stream(RankId rank) {
        return static_cast<std::size_t>(between(0, static_cast<int>(builder.tasks(rank).streams.size()) - 1));
    }

    void add_communicator() {
        Group group;
        std::vector<RankId> order = all;
        std::shuffle(order.begin(), order.end(), random);
        order.resize(static_cast<std::size_t>(between(1, static_cast<int>(order.size()))));
        group.members = order;
        std::vector<std::uint32_t> devices;
        for (const RankId member : order) {
            group.streams.push_back(random_stream(member));
            devices.push_back(member.value);
        }
        group.id = builder.communicator(group.members);
        for (int w = 0; w < 2; ++w)
            group.works.push_back(builder.collective(CollectiveKind::all_reduce, 8, devices, random_cost()));
        groups.push_back(group);
    }

    std::vector<TaskId> random_dependencies(RankId rank) {
        std::vector<TaskId> after;
        const int tasks = static_cast<int>(builder.tasks(rank).size());
        for (int d = between(0, 3); d > 0 && tasks > 0; --d)
            after.emplace_back(static_cast<std::size_t>(between(std::max(0, tasks - 8), tasks - 1)));
        return after;
    }

    std::uint8_t random_flags() {
        return shape.host_waits && between(0, 9) == 0 ? kHostWaits : std::uint8_t{0};
    }

    void add_step() {
        if (groups.empty() || between(0, 2) != 0) {
            const RankId rank = all[static_cast<std::size_t>(between(0, static_cast<int>(all.size()) - 1))];
            const WorkId work = kernels[static_cast<std::size_t>(between(0, 5))];
            builder.task(rank, random_stream(rank), work, random_dependencies(rank), random_flags());
            return;
        }
        const Group& group =
            groups[static_cast<std::size_t>(between(0, static_cast<int>(groups.size()) - 1))];
        const WorkId work = group.works[static_cast<std::size_t>(between(0, 1))];
        for (std::size_t i = 0; i < group.members.size(); ++i)
            builder.task(group.members[i], group.streams[i], work, group.id,
                         random_dependencies(group.members[i]), random_flags());
    }

    /// Another interleaving of the streams; each stream keeps its order.
    void shuffle_issue_order(RankId rank) {
        const RankProgram old = builder.tasks(rank);
        const std::size_t n = old.size();
        std::vector<std::size_t> streams;
        std::vector<std::vector<std::size_t>> queue(old.streams.size());
        for (std::size_t i = 0; i < n; ++i) {
            streams.push_back(old.stream[i]());
            queue[old.stream[i]()].push_back(i);
        }
        std::shuffle(streams.begin(), streams.end(), random);
        std::vector<std::size_t> taken(old.streams.size(), 0);
        std::vector<std::size_t> order;
        std::vector<std::size_t> position(n);
        for (const std::size_t stream : streams) {
            position[queue[stream][taken[stream]]] = order.size();
            order.push_back(queue[stream][taken[stream]++]);
        }
        RankProgram& tasks = builder.tasks(rank);
        tasks.dependency.clear();
        tasks.dependency_begin.assign(1, 0);
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t from = order[i];
            tasks.stream[i] = old.stream[from];
            tasks.work[i] = old.work[from];
            tasks.flags[i] = old.flags[from];
            tasks.communicator_slot[i] = old.communicator_slot[from];
            tasks.sequence[i] = old.sequence[from];
            for (const TaskId before : old.dependencies(TaskId(from)))
                tasks.dependency.emplace_back(position[before()]);
            tasks.dependency_begin.push_back(static_cast<std::uint32_t>(tasks.dependency.size()));
        }
    }

    RandomShape shape;
    std::mt19937 random;
    std::vector<RankId> all;
    std::vector<WorkId> kernels;
    std::vector<Group> groups;
};

}  // namespace orrery::sim::testing
