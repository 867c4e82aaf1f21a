// What the links carry under engine replay: flow's bytes, and counts by hand.
#include "study/replay_links.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "random_experiment.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

report::NetworkResult network_of(Experiment e, EngineKind engine) {
    e.engine = engine;
    Simulation s = simulate(e);
    add_replay_links(e, s);
    return summarize(e, s).network.value_or(report::NetworkResult{});
}

TEST(ReplayLinks, CarryTheBytesThatFlowMovesFoldedOrNot) {
    std::mt19937 random(11);
    int with_links = 0;
    for (int i = 0; i < 40; ++i) {
        Experiment e = random_experiment(random);
        if (e.plan.parallel.gpus() > 64) continue;
        e.granularity = Granularity::layer;
        const auto flow = network_of(e, EngineKind::flow);
        for (const bool fold : {true, false}) {
            e.fold = fold;
            const auto replay = network_of(e, EngineKind::replay);
            ASSERT_EQ(replay.bytes_by_tier.size(), flow.bytes_by_tier.size()) << e.description;
            for (std::size_t t = 0; t < flow.bytes_by_tier.size(); ++t)
                EXPECT_NEAR(replay.bytes_by_tier[t].second / flow.bytes_by_tier[t].second, 1, 1e-9)
                    << e.description;
            ASSERT_EQ(replay.by_kind.size(), flow.by_kind.size()) << e.description;
            for (std::size_t k = 0; k < flow.by_kind.size(); ++k) {
                EXPECT_EQ(replay.by_kind[k].kind, flow.by_kind[k].kind);
                EXPECT_NEAR(replay.by_kind[k].node_bytes, flow.by_kind[k].node_bytes,
                            1e-9 * flow.by_kind[k].node_bytes);
                EXPECT_NEAR(replay.by_kind[k].network_bytes, flow.by_kind[k].network_bytes,
                            1e-9 * flow.by_kind[k].network_bytes);
            }
            with_links += replay.hottest.empty() ? 0 : 1;
        }
    }
    EXPECT_GT(with_links, 20);
}

/// Nothing is shared on one node with one transfer at a time, so that both engines use the links alike.
TEST(ReplayLinks, AreAsBusyAsUnderFlowWithoutContention) {
    const Experiment e = parse_experiment(
        "model: megatron-1.7b\ncluster: {node: dgx-a100, nodes: 1}\n"
        "parallel: {overlap_grad_reduce: false}\ntraining: {global_batch: 16, precision: fp16}\n"
        "granularity: layer\n",
        "links.yaml");
    const auto replay = network_of(e, EngineKind::replay);
    const auto flow = network_of(e, EngineKind::flow);
    ASSERT_EQ(replay.hottest.size(), flow.hottest.size());
    for (std::size_t l = 0; l < flow.hottest.size(); ++l) {
        EXPECT_EQ(replay.hottest[l].name, flow.hottest[l].name);
        EXPECT_NEAR(replay.hottest[l].utilisation / flow.hottest[l].utilisation, 1, 1e-3);
    }
}

/// Each copy of an all-to-all-v on one node crosses its sender's port and its receiver's.
TEST(ReplayLinks, CountAnExchangeTwiceOnOneNode) {
    const Experiment e = parse_experiment(
        "model: {base: mixtral-8x7b, layers: 2, seq_length: 1024}\ncluster: {node: dgx-h100, nodes: 1}\n"
        "parallel: {ep: 8, sharding: zero-1}\nmoe: {routing: zipf, skew: 1}\n"
        "training: {global_batch: 16, micro_batch: 1}\ncalibration: h100-sxm-80g\nfold: false\n",
        "links.yaml");
    Simulation s = simulate(e);
    const sim::Program& program = s.lowered.program;
    double sent = 0;
    const sim::RankProgram& tasks = program.program_of(sim::RankId(0));  // takes part in every exchange
    for (const sim::WorkId work : tasks.work) {
        const auto* collective = std::get_if<sim::Collective>(&program.works[work()]);
        if (collective == nullptr || collective->kind != sim::CollectiveKind::all_to_all_v) continue;
        const sim::TrafficMatrix& matrix = program.matrices[collective->matrix];
        for (std::uint32_t from = 0; from < matrix.members; ++from)
            for (std::uint32_t to = 0; to < matrix.members; ++to)
                if (from != to) sent += matrix.at(from, to);
    }
    ASSERT_GT(sent, 0);
    add_replay_links(e, s);
    const auto network = summarize(e, s).network.value();
    bool seen = false;
    for (const report::CollectiveBytes& kind : network.by_kind) {
        if (kind.kind != "all-to-all-v") continue;
        seen = true;
        EXPECT_NEAR(kind.node_bytes / (2 * sent), 1, 1e-9);
        EXPECT_EQ(kind.network_bytes, 0);
    }
    EXPECT_TRUE(seen);
}

TEST(ReplayLinks, OfOneGpuThereAreNone) {
    const Experiment e = parse_experiment(
        "model: mpt-350m\ncluster: workstation-a100-pcie\ntraining: {global_batch: 8, micro_batch: 8}\n"
        "software: megatron-core\n",
        "links.yaml");
    Simulation s = simulate(e);
    add_replay_links(e, s);
    EXPECT_FALSE(s.flow.has_value());
}

}  // namespace
}  // namespace orrery::study
