// The picture of the cluster with its busy links: the links' own figures, folded or not.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "report/units.hpp"
#include "study/replay_links.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

constexpr const char* kExperiment =
    "model: llama2-7b\ncluster: {node: dgx-a100, nodes: 4}\n"
    "parallel: {tp: 4, pp: 2, sharding: zero-1, sequence_parallel: true}\n"
    "training: {global_batch: 32, micro_batch: 1, seq_length: 1024, precision: bf16}\ngranularity: layer\n";

struct Drawn {
    std::string picture;
    report::Result result;
    std::size_t ranks = 0;
};

Drawn drawn(const std::string& more) {
    const Experiment e = parse_experiment(kExperiment + more, "picture.yaml");
    Simulation s = simulate(e);
    add_replay_links(e, s);
    return {network_picture(e.cluster, s.lowered.program, *s.flow, s.step_time_s()), summarize(e, s),
            s.lowered.program.ranks.size()};
}

TEST(NetworkPicture, IsTheSameFoldedOrNot) {
    for (const char* engine : {"replay", "flow"}) {
        const std::string of = std::string("engine: ") + engine + "\n";
        const Drawn folded = drawn(of);
        const Drawn whole = drawn(of + "fold: false\n");
        EXPECT_LT(folded.ranks, whole.ranks) << engine;
        EXPECT_EQ(folded.picture, whole.picture) << engine;
    }
}

TEST(NetworkPicture, SaysWhatTheResultSaysOfItsLinks) {
    const Drawn one = drawn("engine: flow\n");
    ASSERT_TRUE(one.result.network.has_value());
    ASSERT_FALSE(one.result.network->hottest.empty());
    int said = 0;
    double most = 0;
    for (const report::LinkResult& link : one.result.network->hottest) {
        if (link.tier == "host") continue;
        most = std::max(most, link.utilisation);
        const std::string words = link.name + ": " + report::bytes(link.bytes) + ", " +
                                  report::percent(link.utilisation) + " of the step";
        said += one.picture.find(words) != std::string::npos ? 1 : 0;
    }
    EXPECT_GE(said, 3);  // those of nodes that are drawn
    EXPECT_NE(one.picture.find(report::percent(most)), std::string::npos);
    EXPECT_NE(one.picture.find("stroke:var(--h10)"), std::string::npos);
}

TEST(NetworkPicture, OfAMixedClusterDrawsTheBusiestNodeOfEitherKind) {
    const Experiment e = parse_experiment(
        "model: llama2-7b\ncluster: {groups: [dgx-a100, {node: dgx-h100, gpus: 4, nodes: 2}]}\n"
        "parallel: {tp: 4, pp: 2, sequence_parallel: true}\n"
        "training: {global_batch: 16, micro_batch: 1, seq_length: 1024, precision: bf16}\n"
        "granularity: layer\nengine: flow\n",
        "picture.yaml");
    const Simulation s = simulate(e);
    const std::string picture = network_picture(e.cluster, s.lowered.program, *s.flow, s.step_time_s());
    EXPECT_NE(picture.find("inside node "), std::string::npos);
    EXPECT_NE(picture.find("3 nodes"), std::string::npos);
}

}  // namespace
}  // namespace orrery::study
