// Programs as Chakra traces and back. The wire format is checked without our own schema (wire.hpp).
#include "sim/chakra/chakra.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/error.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"
#include "tests/sim/wire.hpp"

namespace orrery::sim {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::vector<TraceFile> traces_of(const Program& program, const WorkCosts& costs, const Timeline& timeline) {
    std::vector<TraceFile> traces;
    for (std::size_t r = 0; r < program.ranks.size(); ++r)
        traces.push_back(chakra_trace(program, costs, timeline, RankId(r)));
    return traces;
}

TracedProgram there_and_back(const Program& program, const WorkCosts& costs, const Timeline& timeline) {
    return parse_chakra_traces(traces_of(program, costs, timeline), chakra_groups(program));
}

/// Skips the test where Orrery was built without Protocol Buffers.
bool missing() {
    try {
        parse_chakra_traces({}, {});
    } catch (const MissingCapability&) {
        return true;
    } catch (const std::exception&) {
    }
    return false;
}

class Chakra : public ::testing::Test {
  protected:
    void SetUp() override {
        if (missing()) GTEST_SKIP() << "built without Protocol Buffers";
    }

    static std::string refusal(const std::vector<std::string>& traces, const std::string& groups = "") {
        std::vector<TraceFile> files;
        for (std::size_t r = 0; r < traces.size(); ++r)
            files.push_back({"t." + std::to_string(r) + ".et", traces[r]});
        try {
            parse_chakra_traces(files, {"comm_groups.json", groups});
        } catch (const InputError& error) {
            return error.what();
        } catch (const SimulationError& error) {
            return std::string("simulation: ") + error.what();
        }
        return "accepted";
    }
};

/// Start and end of every task but the host's, by name of rank and order in its stream.
std::vector<std::pair<double, double>> times_of(const Program& program, const Timeline& timeline) {
    std::vector<std::pair<double, double>> times;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const RankProgram& tasks = program.program_of(RankId(r));
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            if (program.names[static_cast<std::size_t>(tasks.label[i].name)] == "host") continue;
            const std::size_t at = program.first_task[r] + i;
            times.emplace_back(timeline.start[at], timeline.end[at]);
        }
    }
    std::sort(times.begin(), times.end());
    return times;
}

TEST_F(Chakra, ReplayedTracesGiveEveryTaskItsTimesAgain) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        const RandomProgram random(seed, {});
        const Program& program = random.builder.program;
        const Timeline timeline = replay(program, random.builder.costs);
        const TracedProgram again = there_and_back(program, random.builder.costs, timeline);
        const Timeline replayed = replay(again.program, again.costs);
        const auto expected = times_of(program, timeline);
        const auto found = times_of(again.program, replayed);
        ASSERT_EQ(found.size(), expected.size()) << seed;
        for (std::size_t i = 0; i < found.size(); ++i) {
            ASSERT_NEAR(found[i].first, expected[i].first, 1e-6) << "seed " << seed << ", task " << i;
            ASSERT_NEAR(found[i].second, expected[i].second, 1e-6) << "seed " << seed << ", task " << i;
        }
    }
}

TEST_F(Chakra, RoundingToMicrosecondsDoesNotAddUp) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId kernel = builder.kernel(takes(0.4e-6));
    for (int i = 0; i < 10'000; ++i) builder.task(rank, 0, kernel);
    builder.build();
    const Timeline timeline = replay(builder.program, builder.costs);
    const TracedProgram again = there_and_back(builder.program, builder.costs, timeline);
    EXPECT_NEAR(replay(again.program, again.costs).makespan(), 4e-3, 0.5e-6);
}

/// A rank that sends to another, both in an all-gather, one copies to the host.
struct Small {
    ProgramBuilder builder;
    Timeline timeline;

    Small() {
        const RankId a =
            builder.rank({StreamKind::compute, StreamKind::tp, StreamKind::pp_send, StreamKind::copy_out});
        const RankId b = builder.rank({StreamKind::compute, StreamKind::tp, StreamKind::pp_recv});
        const CommunicatorId tp = builder.communicator({a, b});
        const CommunicatorId pipe = builder.communicator({a, b});
        Kernel gemm;
        gemm.kind = KernelKind::gemm;
        gemm.m = 10;
        gemm.n = 20;
        gemm.k = 30;
        const WorkId product = builder.kernel(takes(5e-6));
        builder.program.works[product()] = KernelSequence{{gemm}};
        const WorkId gather = builder.collective(CollectiveKind::all_gather, 4096, {0, 1}, takes(7e-6));
        const WorkId message = builder.collective(CollectiveKind::send_recv, 100, {0, 1}, takes(3e-6));
        const WorkId copy = builder.kernel(takes(11e-6));
        builder.program.works[copy()] = Copy{64, true};
        const TaskId first = builder.task(a, 0, product);
        builder.task(a, 1, gather, tp, {first});
        builder.task(a, 2, message, pipe, {first});
        builder.task(a, 3, copy, std::vector<TaskId>{first});
        builder.task(b, 1, gather, tp);
        builder.task(b, 2, message, pipe);
        builder.build();
        timeline = replay(builder.program, builder.costs);
    }
};

TEST_F(Chakra, NodesHaveTheNumbersAndTypesOfTheSchema) {
    const Small small;
    const TraceFile trace =
        chakra_trace(small.builder.program, small.builder.costs, small.timeline, RankId(0));
    EXPECT_EQ(trace.name, "trace.0.et");
    const std::vector<std::string_view> all = messages(trace.bytes);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(field(all[0], 1).type, 2U);  // GlobalMetadata.version
    const auto product = all[1];
    EXPECT_EQ(field(product, 1).value, 1U);
    EXPECT_EQ(field(product, 2).bytes, "task");
    EXPECT_EQ(field(product, 3).value, 4U);  // COMP_NODE
    EXPECT_EQ(field(product, 7).value, 5U);  // microseconds
    EXPECT_EQ(attribute(product, "num_ops").value, 2U * 10 * 20 * 30);
    EXPECT_EQ(attribute(product, "tensor_size").value, 2U * (10 * 30 + 30 * 20 + 10 * 20));
    EXPECT_EQ(attribute(product, "is_cpu_op").number, 27U);  // bool_val
    const auto gather = all[2];
    EXPECT_EQ(field(gather, 3).value, 7U);                        // COMM_COLL_NODE
    EXPECT_EQ(field(gather, 6).value, 5U);                        // starts after the product
    EXPECT_EQ(field(gather, 5).bytes, std::string_view("\x01"));  // data_deps, packed
    EXPECT_EQ(attribute(gather, "comm_type").value, 2U);          // ALL_GATHER
    EXPECT_EQ(attribute(gather, "comm_size").value, 2048U);       // a member's share
    EXPECT_EQ(attribute(gather, "pg_name").bytes, "1");
    const auto send = all[3];
    EXPECT_EQ(field(send, 3).value, 5U);  // COMM_SEND_NODE
    EXPECT_EQ(attribute(send, "comm_size").value, 100U);
    EXPECT_EQ(attribute(send, "comm_dst").value, 1U);
    EXPECT_EQ(field(all[4], 3).value, 3U);  // MEM_STORE_NODE
    EXPECT_EQ(attribute(all[4], "tensor_size").value, 64U);
    const TraceFile peer =
        chakra_trace(small.builder.program, small.builder.costs, small.timeline, RankId(1));
    const auto receive = messages(peer.bytes)[2];
    EXPECT_EQ(field(receive, 3).value, 6U);                // COMM_RECV_NODE
    EXPECT_EQ(attribute(receive, "comm_src").number, 7U);  // int32_val; rank 0
    EXPECT_EQ(attribute(receive, "comm_tag").value, attribute(send, "comm_tag").value);
    EXPECT_EQ(chakra_groups(small.builder.program).bytes, "{\n  \"1\": [0, 1]\n}\n");
}

TEST_F(Chakra, BytesOfEveryKindComeBack) {
    const Small small;
    const TracedProgram again = there_and_back(small.builder.program, small.builder.costs, small.timeline);
    std::map<CollectiveKind, double> bytes;
    double copied = 0;
    for (const Work& work : again.program.works) {
        if (const auto* collective = std::get_if<Collective>(&work))
            bytes[collective->kind] = collective->bytes;
        if (const auto* copy = std::get_if<Copy>(&work)) copied = copy->to_host ? copy->bytes : 0;
    }
    EXPECT_EQ(bytes, (std::map<CollectiveKind, double>{{CollectiveKind::all_gather, 4096},
                                                       {CollectiveKind::send_recv, 100}}));
    EXPECT_EQ(copied, 64);
    EXPECT_EQ(again.program.tasks(), small.builder.program.tasks());
}

TEST_F(Chakra, HostTimeIsANodeOfItsOwn) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::copy_out});
    const WorkId kernel = builder.kernel(launched(10e-6, 2e-6));
    for (int i = 0; i < 3; ++i) builder.task(rank, 0, kernel);
    builder.task(rank, 1, kernel);  // its stream is free, but the host comes to it only after 30 microseconds
    builder.build();
    const Timeline timeline = replay(builder.program, builder.costs);
    const TraceFile trace = chakra_trace(builder.program, builder.costs, timeline, rank);
    const auto all = messages(trace.bytes);
    int hosts = 0;
    for (std::size_t i = 1; i < all.size(); ++i)
        hosts += static_cast<int>(attribute(all[i], "is_cpu_op").value);
    EXPECT_EQ(hosts, 1);
    const TracedProgram again = there_and_back(builder.program, builder.costs, timeline);
    EXPECT_NEAR(replay(again.program, again.costs).makespan(), timeline.makespan(), 1e-9);
}

TEST_F(Chakra, AFoldedProgramIsRefused) {
    Small small;
    small.builder.program.ranks.front().multiplicity = 2;
    EXPECT_THROW(chakra_groups(small.builder.program), ExperimentError);
}

// ---- traces of others ----

TEST_F(Chakra, ReadsTracesWithoutOurAttributes) {
    const std::string reduce = integer_attribute("comm_type", 0) + integer_attribute("comm_size", 1000) +
                               text_attribute("pg_name", "7") + truth_attribute("is_cpu_op", false);
    const auto trace = [&](std::uint64_t compute, std::uint64_t waited) {
        return head() + node(10, 4, compute, {}, integer_attribute("num_ops", 50)) +
               node(12, 7, waited, {10}, reduce) + node(11, 4, 4, {12});
    };
    // Rank 1 comes late: rank 0's 30 microseconds include the wait, rank 1's 8 are the collective.
    const TracedProgram traced = parse_chakra_traces({{"a.0.et", trace(20, 30)}, {"a.1.et", trace(42, 8)}},
                                                     {"comm_groups.json", R"({"7": [0, 1]})"});
    EXPECT_NEAR(replay(traced.program, traced.costs).makespan(), (42 + 8 + 4) * 1e-6, 1e-12);
    EXPECT_EQ(traced.program.groups.front().devices, (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(Chakra, SendsMeetReceivesByTag) {
    const auto send = [](std::uint64_t id, int tag) {
        return node(id, 5, 5, {},
                    integer_attribute("comm_size", 100 * tag) + integer_attribute("comm_dst", 1) +
                        integer_attribute("comm_tag", tag));
    };
    const auto receive = [](std::uint64_t id, int tag) {
        return node(id, 6, 5, {},
                    integer_attribute("comm_size", 100 * tag) + integer_attribute("comm_src", 0) +
                        integer_attribute("comm_tag", tag));
    };
    const TracedProgram traced = parse_chakra_traces(
        {{"a.0.et", head() + send(1, 1) + send(2, 2)}, {"a.1.et", head() + receive(1, 2) + receive(2, 1)}},
        {});
    EXPECT_NEAR(replay(traced.program, traced.costs).makespan(), 5e-6, 1e-12);
}

TEST_F(Chakra, OrderInTheFileNeedNotBeThatOfTheDependencies) {
    const TracedProgram traced = parse_chakra_traces(
        {{"a.0.et", head() + node(1, 4, 5, {2}) + node(2, 4, 6, {3}) + node(3, 4, 7, {})}}, {});
    EXPECT_NEAR(replay(traced.program, traced.costs).makespan(), 18e-6, 1e-12);
}

TEST_F(Chakra, WithoutAGroupACollectiveIsOfAllRanks) {
    const std::string reduce = integer_attribute("comm_type", 0) + integer_attribute("comm_size", 10);
    const std::string trace = head() + node(1, 7, 5, {}, reduce);
    const TracedProgram traced =
        parse_chakra_traces({{"a.0.et", trace}, {"a.1.et", trace}, {"a.2.et", trace}}, {});
    EXPECT_EQ(traced.program.groups.front().devices.size(), 3U);
}

// ---- hostile files ----

/// The traces of Small's two ranks and its groups, as they are written.
struct SmallFiles {
    std::string whole;
    std::string peer;
    std::string groups;

    SmallFiles() {
        const Small small;
        const auto trace = [&](int rank) {
            return chakra_trace(small.builder.program, small.builder.costs, small.timeline, RankId(rank))
                .bytes;
        };
        whole = trace(0);
        peer = trace(1);
        groups = chakra_groups(small.builder.program).bytes;
    }
};

TEST_F(Chakra, CutOffFilesSayWhere) {
    const SmallFiles files;
    const auto& [whole, peer, groups] = files;
    EXPECT_EQ(refusal({whole, peer}, groups), "accepted");
    // Nobody misses the last node, a copy to the host, where all of it is cut off.
    const std::size_t without_last = whole.size() - delimited(std::string(messages(whole).back())).size();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(refusal({whole.substr(0, size), peer}, groups) == "accepted", size == without_last) << size;
    EXPECT_THAT(refusal({whole.substr(0, whole.size() - 1), peer}, groups), HasSubstr("t.0.et: byte "));
    EXPECT_THAT(refusal({whole.substr(0, whole.size() - 1), peer}, groups), HasSubstr("cut off"));
}

TEST_F(Chakra, FlippedBytesAreRefusedOrRead) {
    const SmallFiles files;
    const auto& [whole, peer, groups] = files;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const int bit : {0, 3, 7}) {
            std::string bad = whole;
            bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
            refusal({bad, peer}, groups);  // throws nothing but InputError and SimulationError
        }
    }
}

TEST_F(Chakra, HugeLengthsCostNothing) {
    EXPECT_THAT(refusal({std::string("\xFF\xFF\xFF\xFF\x0F", 5)}),
                HasSubstr("a message of 4294967295 bytes"));
    EXPECT_THAT(refusal({std::string("\xFF\xFF\xFF\xFF\xFF\xFF\x01", 7)}),
                HasSubstr("expected the length of a message"));
    EXPECT_THAT(refusal({""}), HasSubstr("is empty"));
}

TEST_F(Chakra, DependenciesAreChecked) {
    EXPECT_THAT(refusal({head() + node(1, 4, 5, {9})}),
                HasSubstr("t.0.et: node 1: depends on node 9, which is not there"));
    EXPECT_THAT(refusal({head() + node(1, 4, 5, {}) + node(1, 4, 5, {})}),
                HasSubstr("node 1: is there twice"));
    EXPECT_THAT(refusal({head() + node(1, 4, 5, {2}) + node(2, 4, 5, {1})}), HasSubstr("in a circle: node "));
    EXPECT_THAT(refusal({head() + node(5, 4, 5, {5})}), HasSubstr("node 5 waits for 5"));
}

TEST_F(Chakra, ValuesAreChecked) {
    const auto collective = [](const std::string& attributes) {
        return head() + node(1, 7, 5, {}, attributes);
    };
    const std::string size = integer_attribute("comm_size", 10);
    EXPECT_THAT(refusal({collective(size)}), HasSubstr("node 1.comm_type: is missing"));
    EXPECT_THAT(refusal({collective(size + integer_attribute("comm_type", 77))}),
                HasSubstr("expected 0 to 9, not 77"));
    EXPECT_THAT(refusal({collective(size + text_attribute("comm_type", "x"))}),
                HasSubstr("expected an integer"));
    EXPECT_THAT(refusal({collective(integer_attribute("comm_type", 0) + integer_attribute("comm_size", -3))}),
                HasSubstr("node 1.comm_size: expected at least 0, not -3"));
    EXPECT_THAT(
        refusal({collective(size + integer_attribute("comm_type", 0) + text_attribute("pg_name", "3"))}),
        HasSubstr("process group '3' is not in comm_groups.json"));
    EXPECT_THAT(refusal({head() + node(1, 42, 5, {})}), HasSubstr("node 1.type: 42"));
    EXPECT_THAT(refusal({head() + node(1, 4, std::uint64_t{1} << 63, {})}),
                HasSubstr("node 1.duration_micros"));
    EXPECT_THAT(refusal({head() + node(1, 5, 5, {}, integer_attribute("comm_dst", 8))}),
                HasSubstr("rank 8 has no trace"));
    EXPECT_THAT(refusal({head() + node(1, 5, 5, {}, integer_attribute("comm_dst", 0))}),
                HasSubstr("does not send to itself"));
}

TEST_F(Chakra, PartnersMustAgree) {
    const auto reduce = [](int type, int bytes) {
        return integer_attribute("comm_type", type) + integer_attribute("comm_size", bytes);
    };
    const std::string once = head() + node(1, 7, 5, {}, reduce(0, 10));
    const std::string twice = once + node(2, 7, 5, {}, reduce(0, 10));
    EXPECT_THAT(refusal({once, twice}), HasSubstr("rank 1 has 2 operations, rank 0 has 1"));
    EXPECT_THAT(refusal({once, head() + node(1, 7, 5, {}, reduce(2, 10))}),
                HasSubstr("all-gather here, all-reduce of rank 0"));
    EXPECT_THAT(refusal({once, head() + node(1, 7, 5, {}, reduce(0, 11))}),
                HasSubstr("is of 11 bytes here, of 10"));
    const std::string sends = head() + node(1, 5, 5, {}, integer_attribute("comm_dst", 1));
    EXPECT_THAT(refusal({sends, head()}), HasSubstr("rank 1 has 0 operations, rank 0 has 1"));
}

TEST_F(Chakra, GroupsAreChecked) {
    const std::string trace = head() + node(1, 4, 5, {});
    EXPECT_THAT(refusal({trace}, "[1]"), HasSubstr("comm_groups.json: expected"));
    EXPECT_THAT(refusal({trace}, R"({"1": [0, 3]})"), HasSubstr("3 is none of the 1 ranks"));
    EXPECT_THAT(refusal({trace}, R"({"1": [0, 0]})"), HasSubstr("rank 0 is there twice"));
    EXPECT_THAT(refusal({trace}, R"({"1": []})"), HasSubstr("expected a list of ranks"));
}

TEST_F(Chakra, WhatCannotProceedSaysWhy) {
    const auto op = [](std::uint64_t id, const char* group, const std::vector<std::uint64_t>& after) {
        return node(id, 7, 5, after,
                    integer_attribute("comm_type", 0) + integer_attribute("comm_size", 8) +
                        text_attribute("pg_name", group));
    };
    const TracedProgram traced = parse_chakra_traces({{"a.0.et", head() + op(1, "1", {}) + op(2, "2", {1})},
                                                      {"a.1.et", head() + op(1, "2", {}) + op(2, "1", {1})}},
                                                     {"comm_groups.json", R"({"1": [0, 1], "2": [0, 1]})"});
    EXPECT_THROW(replay(traced.program, traced.costs), SimulationError);
}

}  // namespace
}  // namespace orrery::sim
