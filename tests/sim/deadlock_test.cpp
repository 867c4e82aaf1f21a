// Programs that cannot proceed are explained, and malformed ones are refused.
#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::takes;

/// Message of the error that `action` throws.
template <class Action>
std::string message_of(Action action) {
    try {
        action();
    } catch (const SimulationError& error) {
        return error.what();
    }
    ADD_FAILURE() << "no SimulationError";
    return "";
}

std::string replay_error(ProgramBuilder& builder) {
    return message_of([&] { replay(builder.build(), builder.costs); });
}

void expect_says(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << "\n" << message;
}

TEST(Deadlock, NamesATaskThatDependsOnItself) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    builder.task(rank, 0, builder.kernel(takes(1)), {TaskId(0)});
    expect_says(replay_error(builder), {"deadlock", "rank 0", "task 0", "depends on"});
}

TEST(Deadlock, NamesTwoCollectivesInOppositeOrder) {
    ProgramBuilder builder;
    builder.rank({StreamKind::compute});  // an onlooker, that must not be named
    const RankId a = builder.rank({StreamKind::tp});
    const RankId b = builder.rank({StreamKind::tp});
    const CommunicatorId first = builder.communicator({a, b}, "first");
    const CommunicatorId second = builder.communicator({a, b}, "second");
    const WorkId work = builder.collective(CollectiveKind::all_reduce, 8, {1, 2}, takes(1));
    builder.task(a, 0, work, first);
    builder.task(a, 0, work, second);
    builder.task(b, 0, work, second);
    builder.task(b, 0, work, first);
    const std::string message = replay_error(builder);
    expect_says(message, {"deadlock", "rank 1", "rank 2", "'first'", "'second'", "queued behind"});
    EXPECT_EQ(message.find("rank 0"), std::string::npos);
}

TEST(Deadlock, NamesACycleOverThreeRanks) {
    ProgramBuilder builder;
    const std::vector<RankId> ranks = {builder.rank({StreamKind::pp_send}),
                                       builder.rank({StreamKind::pp_send}),
                                       builder.rank({StreamKind::pp_send})};
    std::vector<CommunicatorId> links;
    for (std::size_t r = 0; r < 3; ++r) links.push_back(builder.communicator({ranks[r], ranks[(r + 1) % 3]}));
    const WorkId work = builder.collective(CollectiveKind::send_recv, 8, {0, 1}, takes(1));
    for (std::size_t r = 0; r < 3; ++r) {
        builder.task(ranks[r], 0, work, links[r]);
        builder.task(ranks[r], 0, work, links[(r + 2) % 3]);
    }
    expect_says(replay_error(builder), {"deadlock", "rank 0", "rank 1", "rank 2"});
}

TEST(Deadlock, NamesAHostThatWaitsForWhatItHasNotIssued) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::copy_in});
    const WorkId work = builder.kernel(takes(1));
    builder.task(rank, 0, work, {TaskId(1)}, kHostWaits);
    builder.task(rank, 1, work);
    expect_says(replay_error(builder), {"deadlock", "the host waits for", "task 0", "task 1"});
}

TEST(Validate, RefusesMembersThatDisagree) {
    ProgramBuilder builder;
    const RankId a = builder.rank({StreamKind::tp});
    const RankId b = builder.rank({StreamKind::tp});
    const CommunicatorId group = builder.communicator({a, b}, "tp group 3");
    builder.task(a, 0, builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1)), group);
    builder.task(b, 0, builder.collective(CollectiveKind::all_gather, 8, {0, 1}, takes(1)), group);
    expect_says(replay_error(builder), {"tp group 3", "disagree", "rank 0", "rank 1"});
}

TEST(Validate, RefusesSequencesOfDifferentLength) {
    ProgramBuilder builder;
    const RankId a = builder.rank({StreamKind::tp});
    const RankId b = builder.rank({StreamKind::tp});
    const CommunicatorId group = builder.communicator({a, b}, "dp");
    const WorkId work = builder.collective(CollectiveKind::all_reduce, 8, {0, 1}, takes(1));
    builder.task(a, 0, work, group);
    builder.task(a, 0, work, group);
    builder.task(b, 0, work, group);
    expect_says(replay_error(builder), {"'dp' has 2 operations", "rank 1 performs 1"});
}

TEST(Validate, RefusesIndicesThatPointNowhere) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    builder.task(rank, 0, builder.kernel(takes(1)));
    const auto broken = [&](auto change) {
        ProgramBuilder copy = builder;
        change(copy.tasks(rank));
        return message_of([&] { validate(copy.build()); });
    };
    expect_says(broken([](RankProgram& tasks) { tasks.stream[0] = StreamId(4); }), {"task 0", "stream"});
    expect_says(broken([](RankProgram& tasks) { tasks.work[0] = WorkId(4); }), {"task 0", "work"});
    expect_says(broken([](RankProgram& tasks) { tasks.communicator_slot[0] = 4; }), {"task 0", "slot"});
    expect_says(broken([](RankProgram& tasks) { tasks.flags.clear(); }), {"flags", "0 entries, 1 expected"});
    expect_says(broken([](RankProgram& tasks) {
                    tasks.dependency.emplace_back(9);
                    tasks.dependency_begin[1] = 1;
                }),
                {"dependency on task 9"});
    expect_says(broken([](RankProgram& tasks) {
                    tasks.memory.push_back({TaskId(5), MemoryKind::workspace, 1});
                }),
                {"memory event"});
}

TEST(Validate, RefusesASendToTwo) {
    ProgramBuilder builder;
    const std::vector<RankId> ranks = {builder.rank({StreamKind::pp_send}),
                                       builder.rank({StreamKind::pp_send}),
                                       builder.rank({StreamKind::pp_send})};
    const CommunicatorId group = builder.communicator(ranks, "pp");
    const WorkId work = builder.collective(CollectiveKind::send_recv, 8, {0, 1, 2}, takes(1));
    for (const RankId rank : ranks) builder.task(rank, 0, work, group);
    expect_says(replay_error(builder), {"send-recv among 3"});
}

TEST(Validate, RefusesOneCommunicatorOnTwoStreamsOfARank) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const CommunicatorId group = builder.communicator({rank}, "pp");
    const WorkId work = builder.collective(CollectiveKind::send_recv, 8, {0}, takes(1));
    builder.task(rank, 0, work, group);
    builder.task(rank, 1, work, group);
    expect_says(replay_error(builder), {"two streams"});
}

TEST(Validate, RefusesMissingCosts) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    builder.task(rank, 0, builder.kernel(takes(1)));
    builder.costs.clear();
    expect_says(replay_error(builder), {"1 works", "0 costs"});
}

}  // namespace
}  // namespace orrery::sim
