// The key `collectives`: what is forced is what every engine does, and costs what the bare collective costs.
#include "study/collective_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <variant>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/engine/messages/bare_collective.hpp"
#include "study/execute.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// Data parallelism over two nodes: gradients all-reduced at the end, beside nothing.
std::string two_nodes(const std::string& collectives, const std::string& more = "") {
    return "model: megatron-1.7b\n"
           "cluster: {node: dgx-h100, nodes: 2}\n"
           "parallel: {overlap_grad_reduce: false, bucket_bytes: 1.0e+12}\n"
           "training: {global_batch: 16, micro_batch: 1, precision: fp16}\n"
           "granularity: layer\nfold: false\n"
           "collectives: " +
           collectives + "\n" + more;
}

Experiment parsed(const std::string& text) {
    return parse_experiment(text, "choice.yaml");
}

/// The works of the kind, with their numbers.
std::vector<std::size_t> works_of(const sim::Program& program, sim::CollectiveKind kind) {
    std::vector<std::size_t> works;
    for (std::size_t w = 0; w < program.works.size(); ++w) {
        const auto* collective = std::get_if<sim::Collective>(&program.works[w]);
        if (collective != nullptr && collective->kind == kind) works.push_back(w);
    }
    return works;
}

sim::BareCollective bare(const sim::Program& program, std::size_t work, const std::string& algorithm,
                         const std::string& protocol, sim::BareEngine engine) {
    const auto& collective = std::get<sim::Collective>(program.works[work]);
    sim::BareCollective request;
    request.kind = collective.kind;
    request.bytes = collective.bytes;
    request.devices = program.groups[collective.group].devices;
    request.choice.algorithm = algorithm;
    request.choice.protocol = protocol;
    request.engine = engine;
    return request;
}

/// The longest time of a task with that work.
double duration_of(const Simulation& s, std::size_t work) {
    double longest = 0;
    const sim::Program& program = s.lowered.program;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (tasks.work[t]() != work) continue;
            const std::size_t at = program.first_task[r] + t;
            longest = std::max(longest, s.timeline.end[at] - s.timeline.start[at]);
        }
    }
    return longest;
}

TEST(Collectives, ForcedOnesCostWhatTheBareOnesDoOnReplayAndFlow) {
    for (const std::string& algorithm : sim::algorithms_of(sim::CollectiveKind::all_reduce)) {
        if (algorithm == "nvls") continue;  // of one node
        Experiment e = parsed(two_nodes("{all-reduce: {algorithm: " + algorithm + ", protocol: Simple}}"));
        const Simulation s = simulate(e);
        const auto works = works_of(s.lowered.program, sim::CollectiveKind::all_reduce);
        ASSERT_FALSE(works.empty());
        for (const std::size_t work : works) {
            const sim::BareResult alone = run_bare_collective(
                bare(s.lowered.program, work, algorithm, "Simple", sim::BareEngine::replay), e.cluster,
                *collectives_of(parsed(two_nodes("{}"))));
            EXPECT_DOUBLE_EQ(s.prices.costs[work].duration_s, alone.cost.time_s) << algorithm;
            EXPECT_EQ(s.prices.chosen[work].algorithm, algorithm);
            EXPECT_EQ(s.prices.chosen[work].protocol, "Simple");
        }
        const double replayed = s.step_time_s();
        e.engine = EngineKind::flow;
        EXPECT_NEAR(simulate(e).step_time_s() / replayed, 1, 1e-6) << algorithm;
    }
}

TEST(Collectives, SimgridMovesTheMessagesOfTheForcedAlgorithm) {
    try {
        const auto all_reduce_s = [](const std::string& choice, double* alone_s) {
            const Experiment e = parsed(two_nodes("{all-reduce: " + choice + "}", "engine: simgrid\n"));
            const Simulation s = simulate(e);
            const std::size_t work = works_of(s.lowered.program, sim::CollectiveKind::all_reduce).front();
            const sim::ForcedCollective& forced = forced_for(e.collectives, sim::CollectiveKind::all_reduce);
            *alone_s = run_bare_collective(bare(s.lowered.program, work, forced.algorithm, forced.protocol,
                                                sim::BareEngine::simgrid),
                                           e.cluster, sim::ideal_collectives())
                           .cost.time_s;
            return duration_of(s, work);
        };
        double alone = 0;
        for (const char* algorithm : {"halving-doubling", "hierarchical", "tree"}) {
            const double time = all_reduce_s(algorithm, &alone);
            EXPECT_NEAR(time / alone, 1, 1e-3) << algorithm;
        }
        const double ring = all_reduce_s("ring", &alone);
        const double with_flags = all_reduce_s("{algorithm: ring, protocol: LL}", &alone);
        EXPECT_NEAR(with_flags / alone, 1, 1e-3);
        EXPECT_NEAR(with_flags / ring, 2, 0.01);  // as many flags as data; latencies are nothing beside 3 GB
    } catch (const MissingCapability& missing) {
        GTEST_SKIP() << missing.what();
    }
}

TEST(Collectives, TheProtocolAloneMayBeForced) {
    const Simulation s = simulate(parsed(two_nodes("{all-reduce: {protocol: LL}}")));
    for (const std::size_t work : works_of(s.lowered.program, sim::CollectiveKind::all_reduce))
        EXPECT_EQ(s.prices.chosen[work].protocol, "LL");
}

TEST(Collectives, SetReachesThemShortAndLong) {
    const std::string text = two_nodes("{all-reduce: tree}");
    const auto choice = [&](const std::vector<std::string>& overrides) {
        const Experiment e = parse_experiment(text, "choice.yaml", overrides);
        return describe(e.collectives);
    };
    EXPECT_EQ(choice({}), "all-reduce by tree");
    EXPECT_EQ(choice({"collectives.all-reduce=ring"}), "all-reduce by ring");
    EXPECT_EQ(choice({"collectives.all-reduce.protocol=LL128"}), "all-reduce by tree LL128");
    EXPECT_EQ(choice({"collectives.all-gather={algorithm: ring, protocol: LL}"}),
              "all-reduce by tree, all-gather by ring LL");
    EXPECT_EQ(choice({"collectives={}"}), "");
}

std::string mistake(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
        simulate(parse_experiment(text, "choice.yaml", overrides));
    } catch (const InputError& error) {
        return error.what();
    }
    return "none";
}

TEST(Collectives, MistakesNameThePlaceAndTheNearestName) {
    const std::string kind = mistake(two_nodes("{all-reduc: ring}"));
    EXPECT_NE(kind.find("choice.yaml:7:15"), std::string::npos) << kind;
    EXPECT_NE(kind.find("all-reduce"), std::string::npos) << kind;
    const std::string name = mistake(two_nodes("{all-reduce: rin}"));
    EXPECT_NE(name.find("choice.yaml:7:27: collectives.all-reduce"), std::string::npos) << name;
    EXPECT_NE(name.find("'ring'"), std::string::npos) << name;
    const std::string protocol = mistake(two_nodes("{all-reduce: {protocol: LL64}}"));
    EXPECT_NE(protocol.find("collectives.all-reduce.protocol"), std::string::npos) << protocol;
    // A tree broadcasts nothing in NCCL: an algorithm is offered to the kinds that it can do.
    const std::string unable = mistake(two_nodes("{broadcast: tree}"));
    EXPECT_NE(unable.find("choice.yaml:7:26: collectives.broadcast"), std::string::npos) << unable;
    EXPECT_NE(unable.find("ring"), std::string::npos) << unable;
}

TEST(Collectives, AnAlgorithmThatTheGroupCannotDoIsAMistakeAtItsKey) {
    const std::string nvls = mistake(two_nodes("{all-reduce: nvls}"));
    EXPECT_NE(nvls.find("choice.yaml:7:27: collectives.all-reduce: nvls does not do all-reduce on 16 ranks "
                        "of 2 nodes; expected one of ring"),
              std::string::npos)
        << nvls;
    const std::string set = mistake(two_nodes("{}"), {"collectives.all-reduce=nvls"});
    EXPECT_NE(set.find("--set collectives.all-reduce=nvls: collectives.all-reduce"), std::string::npos)
        << set;
}

/// MPI has algorithms of its own.
TEST(Collectives, AnExecutionOfRealMessagesRefusesThem) {
    const Experiment e = parsed(two_nodes("{all-reduce: ring}"));
    try {
        execute(e, {});
        FAIL();
    } catch (const InputError& error) {
        EXPECT_EQ(error.key, "collectives");
        EXPECT_EQ(error.where.line, 7U);
    }
}

TEST(Collectives, TheResultSaysWhatWasChosenFoldedOrNot) {
    const auto uses_of = [](const std::string& more) {
        const Experiment e = parse_experiment(
            "model: megatron-1.7b\ncluster: {node: dgx-h100, nodes: 2}\n"
            "parallel: {tp: 2, pp: 2, sharding: zero-1}\n"
            "training: {global_batch: 32, micro_batch: 1, precision: fp16}\ngranularity: layer\n" +
                more,
            "choice.yaml");
        return summarize(e, simulate(e)).network.value().collectives;
    };
    const auto folded = uses_of("collectives: {all-gather: {algorithm: ring, protocol: LL128}}\n");
    const auto whole =
        uses_of("collectives: {all-gather: {algorithm: ring, protocol: LL128}}\nfold: false\n");
    ASSERT_EQ(folded.size(), whole.size());
    bool forced = false;
    for (std::size_t i = 0; i < folded.size(); ++i) {
        EXPECT_EQ(folded[i].kind, whole[i].kind);
        EXPECT_NEAR(folded[i].operations, whole[i].operations, 1e-9) << folded[i].kind;
        EXPECT_NEAR(folded[i].buffer_bytes / whole[i].buffer_bytes, 1, 1e-12) << folded[i].kind;
        EXPECT_EQ(folded[i].forced, folded[i].kind == "all-gather");
        if (!folded[i].forced) continue;
        forced = true;
        EXPECT_EQ(folded[i].algorithm + " " + folded[i].protocol, "ring LL128");
    }
    EXPECT_TRUE(forced);
    // Of 8 pairs of stages 32 / (dp 4) = 8 micro-batches go forward and 8 gradients come back.
    for (const report::CollectiveUse& use : folded)
        if (use.kind == "send-recv") {
            EXPECT_DOUBLE_EQ(use.operations, 8.0 * 2 * 8);
        }
}

}  // namespace
}  // namespace orrery::study
