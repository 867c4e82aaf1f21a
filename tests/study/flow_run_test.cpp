// The engine flow on whole experiments: equal to replay without contention, folded or not, and near simgrid.
#include "study/flow_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.hpp"
#include "random_experiment.hpp"
#include "sim/engine/engine.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// On one node with one transfer at a time nothing is shared, and flow charges what replay does.
TEST(FlowRun, IsReplayWithoutContention) {
    for (const char* parallel : {"{tp: 8, pp: 1, dp: 1}", "{tp: 1, pp: 1, dp: 8}",
                                 "{tp: 2, pp: 1, dp: 4, overlap_grad_reduce: false}"}) {
        const Experiment experiment = parse_experiment(
            std::string("model: megatron-1.7b\ncluster: {node: dgx-a100, nodes: 1}\nparallel: ") + parallel +
                "\ntraining: {global_batch: 16, micro_batch: 1, precision: fp16}\nsoftware: megatron-core\n"
                "granularity: layer\nfold: false\nengine: flow\n",
            "flow_run_test.yaml");
        const Simulation s = simulate(experiment);
        sim::FlowLoads loads = whole_loads(experiment, s.lowered.program);
        const double flow = sim::simulate_with_flow(s.lowered.program, s.prices.costs, loads).makespan();
        const double replay = sim::replay(s.lowered.program, s.prices.costs).makespan();
        // The data-parallel groups of tp 2 share no link of the switch: ports are a GPU's own. (A GPU's own
        // two groups would share its port, were the gradients reduced during the backward.)
        EXPECT_NEAR(flow / replay, 1, 1e-6) << parallel;
    }
}

TEST(FlowRun, FoldingChangesNothing) {
    std::mt19937 random(3);
    int folded = 0;
    for (int i = 0; i < 30; ++i) {
        Experiment e = random_experiment(random);
        if (e.plan.parallel.gpus() > 64) continue;
        e.engine = EngineKind::flow;
        e.granularity = Granularity::layer;
        e.fold = true;
        const Simulation once = simulate(e);
        e.fold = false;
        const Simulation whole = simulate(e);
        EXPECT_NEAR(once.timeline.makespan() / whole.timeline.makespan(), 1, 1e-9) << e.description;
        const auto a = network_result(once.lowered.program, *once.flow, once.timeline.makespan());
        const auto b = network_result(whole.lowered.program, *whole.flow, whole.timeline.makespan());
        ASSERT_EQ(a.bytes_by_tier.size(), b.bytes_by_tier.size()) << e.description;
        for (std::size_t t = 0; t < a.bytes_by_tier.size(); ++t)
            EXPECT_NEAR(a.bytes_by_tier[t].second / b.bytes_by_tier[t].second, 1, 1e-9) << e.description;
        folded += once.lowered.program.ranks.size() < whole.lowered.program.ranks.size() ? 1 : 0;
    }
    EXPECT_GT(folded, 0);
}

Experiment two_nodes(const std::string& more) {
    return parse_experiment(
        "model: megatron-1.7b\ncluster: {node: dgx-a100, nodes: 2}\nparallel: {tp: 4, pp: 2, dp: 2}\n"
        "training: {global_batch: 16, micro_batch: 1, precision: fp16}\nsoftware: megatron-core\n"
        "granularity: layer\n" +
            more,
        "flow_run_test.yaml");
}

TEST(FlowRun, ASlowGpuSlowsTheStepInBothEnginesAlike) {
    const std::string slow = "stragglers: [{gpu: 3, slowdown: 1.5}]\n";
    const double replay = step_time(two_nodes(slow)) / step_time(two_nodes(""));
    const double flow =
        step_time(two_nodes("engine: flow\n" + slow)) / step_time(two_nodes("engine: flow\n"));
    EXPECT_GT(replay, 1.1);
    EXPECT_LT(replay, 1.5);
    EXPECT_NEAR(flow, replay, 0.01);
}

TEST(FlowRun, ADegradedLinkCostsTimeAndACutOneIsAnError) {
    const double whole = step_time(two_nodes("engine: flow\n"));
    EXPECT_GT(step_time(two_nodes("engine: flow\nfaults: [{link: gpu 3, bandwidth: 0.1}]\n")), whole * 1.05);
    EXPECT_THROW(step_time(two_nodes("engine: flow\nfaults: [{link: gpu 3, at_s: 0.01}]\n")),
                 SimulationError);
    EXPECT_THROW(step_time(two_nodes("engine: flow\nfaults: [{gpu: 3, at_s: 0.01, fails: true}]\n")),
                 SimulationError);
}

TEST(FlowRun, RefusesWhatItCannotHonour) {
    EXPECT_THROW(step_time(two_nodes("faults: [{link: gpu 3, bandwidth: 0.1}]\n")), InputError);
    EXPECT_THROW(step_time(two_nodes("sharing: {pp: 2}\n")), InputError);
    EXPECT_THROW(step_time(two_nodes("engine: flow\nfaults: [{link: gpu three}]\n")), InputError);
    EXPECT_THROW(step_time(two_nodes("engine: flow\nfaults: [{gpu: 16, fails: true}]\n")), InputError);
    EXPECT_THROW(step_time(two_nodes("engine: flow\nstragglers: [{gpu: 16, slowdown: 2}]\n")), InputError);
}

TEST(FlowRun, JitterIsDeterministicAndDependsOnTheSeed) {
    const double one = step_time(two_nodes("engine: flow\njitter: {deviation: 0.05, seed: 1}\n"));
    EXPECT_EQ(one, step_time(two_nodes("engine: flow\njitter: {deviation: 0.05, seed: 1}\n")));
    EXPECT_NE(one, step_time(two_nodes("engine: flow\njitter: {deviation: 0.05, seed: 2}\n")));
}

}  // namespace
}  // namespace orrery::study
