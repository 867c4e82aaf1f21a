// Clusters of several kinds of nodes: against closed forms made of the steps of clusters of one kind each,
// and folded against unfolded.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "sim/metrics/memory.hpp"
#include "study/kind_prices.hpp"
#include "study/memory_advice.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

Experiment parsed(const std::string& text) {
    return parse_experiment(text, "mixed.yaml");
}

/// Links as good as free: what is left is the GPUs.
constexpr const char* kFreeLinks =
    "collectives: ideal, nic_bandwidth: 1.0e+17, nic_latency_s: 0, gpu_link_bandwidth: 1.0e+17, "
    "gpu_link_latency_s: 0, fabric: {switch_latency_s: 0}";

std::string on(const std::string& cluster, const std::string& more) {
    return "model: {family: gpt, hidden: 8192, heads: 64, layers: 8, vocab: 1024, seq_length: 4096}\n"
           "cluster: {" +
           cluster + ", " + kFreeLinks + "}\n" + more;
}

std::string kinds(int a100, int h100, int gpus = 8) {
    return "groups: [{node: dgx-a100, gpus: " + std::to_string(gpus) + ", nodes: " + std::to_string(a100) +
           "}, {node: dgx-h100, gpus: " + std::to_string(gpus) + ", nodes: " + std::to_string(h100) + "}]";
}

/// Seconds of a micro-batch on a stage's compute stream.
struct StageTime {
    double forward = 0;
    double backward = 0;
};

StageTime time_of(const Simulation& s, int stage) {
    StageTime time;
    const sim::Program& program = s.lowered.program;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        if (program.ranks[r].pipeline_device != stage) continue;
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (tasks.label[t].micro_batch != 0 || tasks.label[t].layer < 0) continue;
            if (tasks.streams[tasks.stream[t]()].kind != sim::StreamKind::compute) continue;
            const double spent = s.prices.costs[tasks.work[t]()].duration_s;
            (tasks.label[t].phase == sim::Phase::forward ? time.forward : time.backward) += spent;
        }
        break;
    }
    return time;
}

/// Two stages under 1F1B, worked out action by action: F1 F2 B1 F3 B2 .. on the first, F1 B1 F2 B2 .. on the
/// second. Written down here anew, from the picture of Narayanan et al. 2021.
double one_f_one_b(StageTime first, StageTime second, int micro_batches) {
    double a = 0;  // when the first stage is free
    double b = 0;
    std::vector<double> gradient;
    int forwards = 0;
    const auto forward = [&] {
        a += first.forward;
        b = std::max(a, b) + second.forward + second.backward;
        gradient.push_back(b);
        ++forwards;
    };
    forward();
    for (int m = 0; m < micro_batches; ++m) {
        if (forwards < micro_batches) forward();
        a = std::max(a, gradient[static_cast<std::size_t>(m)]) + first.backward;
    }
    return std::max(a, b);
}

TEST(MixedCluster, PipelineOfASlowAndAFastStageIsTheClosedFormOfTwoStageTimes) {
    const std::string plan =
        "parallel: {pp: 2}\ntraining: {global_batch: 12, micro_batch: 1, precision: bf16}\n";
    const StageTime slow[] = {time_of(simulate(parsed(on("node: dgx-a100, nodes: 2, gpus: 2", plan))), 0),
                              time_of(simulate(parsed(on("node: dgx-a100, nodes: 2, gpus: 2", plan))), 1)};
    const StageTime fast[] = {time_of(simulate(parsed(on("node: dgx-h100, nodes: 2, gpus: 2", plan))), 0),
                              time_of(simulate(parsed(on("node: dgx-h100, nodes: 2, gpus: 2", plan))), 1)};
    ASSERT_GT(slow[0].forward, 1.5 * fast[0].forward);
    const auto pipeline = [](const Simulation& s) {
        double end = 0;
        const sim::Program& program = s.lowered.program;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            for (std::size_t t = 0; t < tasks.size(); ++t)
                if (tasks.label[t].layer >= 0 && tasks.label[t].phase != sim::Phase::optimizer)
                    end = std::max(end, s.timeline.end[program.first_task[r] + t]);
        }
        return end;
    };
    const double slow_first = pipeline(simulate(parsed(on(kinds(1, 1, 1), plan))));
    EXPECT_NEAR(slow_first / one_f_one_b(slow[0], fast[1], 12), 1, 0.01);
    const double fast_first = pipeline(
        simulate(parsed(on("groups: [{node: dgx-h100, gpus: 1}, {node: dgx-a100, gpus: 1}]", plan))));
    EXPECT_NEAR(fast_first / one_f_one_b(fast[0], slow[1], 12), 1, 0.01);
    // And they do differ: from each other, and from two stages of one kind.
    EXPECT_GT(slow_first, 1.3 * one_f_one_b(fast[0], fast[1], 12));
}

TEST(MixedCluster, DataParallelStepIsTheSlowerGroups) {
    for (const char* sharding : {"none", "zero-1", "fsdp"}) {
        const std::string plan = std::string("parallel: {tp: 4, sharding: ") + sharding +
                                 "}\ntraining: {global_batch: 8, micro_batch: 1, precision: bf16}\n";
        const double mixed = step_time(parsed(on(kinds(1, 1), plan)));
        const double slow = step_time(parsed(on("node: dgx-a100, nodes: 2", plan)));
        const double fast = step_time(parsed(on("node: dgx-h100, nodes: 2", plan)));
        EXPECT_NEAR(mixed / slow, 1, 1e-3) << sharding;
        EXPECT_LT(fast, 0.7 * slow) << sharding;
    }
}

TEST(MixedCluster, TwoGroupsOfOneKindAreOneCluster) {
    const std::string plan =
        "model: llama2-7b\nparallel: {tp: 2, pp: 2, sharding: zero-1}\n"
        "training: {global_batch: 32, micro_batch: 1, precision: bf16}\n";
    for (const char* engine : {"replay", "flow"}) {
        const std::string more = plan + "engine: " + engine + "\n";
        const Experiment one = parsed("cluster: {node: dgx-a100, nodes: 4}\n" + more);
        const Experiment two = parsed("cluster: {groups: [{node: dgx-a100, nodes: 3}, dgx-a100]}\n" + more);
        const report::Result a = summarize(one, simulate(one));
        const report::Result b = summarize(two, simulate(two));
        EXPECT_NEAR(a.step_time_s / b.step_time_s, 1, 1e-12) << engine;
        EXPECT_DOUBLE_EQ(a.mfu * a.step_time_s, b.mfu * b.step_time_s);
        EXPECT_DOUBLE_EQ(a.memory.peak_bytes, b.memory.peak_bytes);
        EXPECT_EQ(a.calibration, b.calibration);
    }
}

/// A plan that fits 2 to 4 nodes of 4 GPUs, of two or three kinds.
std::string random_experiment(std::mt19937& random) {
    const auto pick = [&](const std::vector<std::string>& from) {
        return from[std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)];
    };
    std::string groups;
    for (int n = 0; n < 4; ++n)
        groups += (n > 0 ? ", " : "") + std::string("{node: ") +
                  pick({"dgx-a100", "dgx-h100", "hgx-h100-roce"}) + ", gpus: 4, nodes: 1}";
    const bool experts = pick({"yes", "no", "no"}) == "yes";
    const std::string tp = pick({"1", "2", "4"});
    const std::string pp = pick({"1", "2"});
    std::string parallel =
        "tp: " + tp + ", pp: " + pp + ", sharding: " + pick({"none", "zero-1", experts ? "zero-1" : "fsdp"});
    if (tp != "1") parallel += ", sequence_parallel: true";
    if (experts) parallel += ", ep: " + pick({"2", "4"}) + ", etp: 1";
    return "model: " + std::string(experts ? "mixtral-8x7b" : "llama2-7b") + "\ncluster: {groups: [" +
           groups + "]}\nparallel: {" + parallel + "}\n" +
           (experts ? "moe: {routing: zipf, skew: 0.5}\n" : "") +
           "training: {global_batch: 32, micro_batch: 1, seq_length: 1024, precision: bf16}\n"
           "granularity: layer\nengine: " +
           pick({"replay", "replay", "flow"}) + "\n";
}

TEST(MixedCluster, FoldingChangesNothing) {
    std::mt19937 random(11);
    int folded = 0;
    for (int trial = 0; trial < 12; ++trial) {
        const std::string text = random_experiment(random);
        Experiment e = parsed(text);
        const Simulation fold = simulate(e);
        e.fold = false;
        const Simulation whole = simulate(e);
        folded += fold.lowered.program.ranks.size() < whole.lowered.program.ranks.size() ? 1 : 0;
        const report::Result a = summarize(e, fold);
        const report::Result b = summarize(e, whole);
        EXPECT_NEAR(a.step_time_s / b.step_time_s, 1, 1e-9) << text;
        EXPECT_NEAR(a.mfu / b.mfu, 1, 1e-9) << text;
        EXPECT_NEAR(a.memory.peak_bytes / b.memory.peak_bytes, 1, 1e-12) << text;
        EXPECT_NEAR(a.breakdown.compute_s / b.breakdown.compute_s, 1, 1e-9) << text;
        for (std::size_t stage = 0; stage < a.per_stage.size(); ++stage)
            EXPECT_NEAR(a.per_stage[stage].breakdown.compute_s / b.per_stage[stage].breakdown.compute_s, 1,
                        1e-9)
                << text;
    }
    EXPECT_GE(folded, 6);
}

TEST(MixedCluster, RanksOnDifferentGpusAreNotFoldedTogether) {
    const Simulation s = simulate(parsed(on(
        kinds(1, 1), "parallel: {tp: 8}\ntraining: {global_batch: 8, micro_batch: 1, precision: bf16}\n")));
    ASSERT_EQ(s.lowered.program.ranks.size(), 2U);
    EXPECT_EQ(s.lowered.program.ranks[0].multiplicity, 8U);
    EXPECT_EQ(s.lowered.program.ranks[1].multiplicity, 8U);
}

TEST(MixedCluster, MemoryIsHeldToEachRanksOwnGpu) {
    const std::string plan =
        "model: llama2-7b\nparallel: {tp: 4, pp: 2}\n"
        "training: {global_batch: 16, micro_batch: 1, precision: bf16}\n";
    // The second stage, which holds less, lies on GPUs that are too small even for it.
    const Experiment e =
        parsed("cluster: {groups: [{node: dgx-a100}, {node: dgx-a100, gpu_memory_bytes: 1.0e+10}]}\n" + plan);
    const report::Result result = summarize(e, simulate(e));
    EXPECT_FALSE(result.memory.fits);
    EXPECT_GE(result.memory.peak_rank, 8U);
    EXPECT_DOUBLE_EQ(result.memory.capacity_bytes, 1e10);
    const Experiment large = parsed("cluster: {groups: [dgx-a100, dgx-a100]}\n" + plan);
    const report::Result all = summarize(large, simulate(large));
    EXPECT_TRUE(all.memory.fits);
    EXPECT_LT(all.memory.peak_rank, 8U);
}

TEST(MixedCluster, MfuIsOfAllPeaksTogether) {
    const Experiment e = parsed(
        on(kinds(3, 1), "parallel: {tp: 8}\ntraining: {global_batch: 8, micro_batch: 1, precision: bf16}\n"));
    EXPECT_NEAR(mean_peak_flops(e), (3 * 312e12 + 989.4e12) / 4, 0.01e12);
    EXPECT_EQ(calibration_names(e), "a100-sxm-80g + h100-sxm-80g");
    const report::Result result = summarize(e, simulate(e));
    EXPECT_EQ(result.plan[1].second, "3 x dgx-a100 (8 x a100-sxm-80g) + 1 x dgx-h100 (8 x h100-sxm-80g)");
}

/// An all-reduce over both kinds is never faster than over as many nodes of the slower kind with the same
/// calibration's choice, and within one kind costs what it costs there.
TEST(MixedCluster, CollectivesGoByTheSlowestMember) {
    const auto cost = [](const std::string& cluster, std::vector<std::uint32_t> devices, double bytes) {
        const Experiment e = parsed("model: llama2-7b\ncluster: {" + cluster +
                                    "}\nparallel: {tp: 8}\ntraining: {global_batch: 8}\n");
        sim::Program program;
        program.groups.push_back({std::move(devices)});
        program.works.emplace_back(sim::Collective{sim::CollectiveKind::all_reduce, bytes, 0, 0});
        return prices_of(e, program).costs[0].duration_s;
    };
    const std::string mixed = "groups: [{node: dgx-a100, nodes: 2}, {node: dgx-h100, nodes: 2}]";
    std::vector<std::uint32_t> slow;
    std::vector<std::uint32_t> fast;
    std::vector<std::uint32_t> both;
    for (std::uint32_t d = 0; d < 16; ++d) {
        slow.push_back(d);
        fast.push_back(16 + d);
        both.push_back(8 + d);
    }
    for (double bytes = 1024; bytes < 2e9; bytes *= 8) {
        EXPECT_DOUBLE_EQ(cost(mixed, slow, bytes), cost("node: dgx-a100, nodes: 4", slow, bytes));
        EXPECT_DOUBLE_EQ(cost(mixed, fast, bytes), cost("node: dgx-h100, nodes: 4", fast, bytes));
        EXPECT_GE(cost(mixed, both, bytes), 0.999 * cost("node: dgx-a100, nodes: 4", both, bytes)) << bytes;
    }
}

TEST(MixedCluster, MistakesNameTheGroupsPlace) {
    const auto mistake = [](const std::string& cluster, const std::string& more = "") {
        try {
            parsed("model: llama2-7b\ncluster:\n" + cluster + "training: {global_batch: 64}\n" + more);
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string first = "  groups:\n    - {node: dgx-a100}\n";
    EXPECT_EQ(mistake(first + "    - {node: dgx-h10}\n").substr(0, 45),
              "mixed.yaml:5:14: cluster.groups[1].node: unkn");
    EXPECT_EQ(mistake(first + "    - {node: dgx-h100, gpus: 9}\n"),
              "mixed.yaml:5:30: cluster.groups[1].gpus: a dgx-h100 has 8 GPUs; expected 1 to 8");
    EXPECT_EQ(mistake(first + "    - {node: dgx-h100, calibration: h10}\n").substr(0, 53),
              "mixed.yaml:5:37: cluster.groups[1].calibration: unkno");
    EXPECT_NE(mistake(first + "    - {node: dgx-h100}\n", "calibration: a100-sxm-80g\n")
                  .find("mixed.yaml:7:14: calibration: goes for one kind of GPU"),
              std::string::npos);
    EXPECT_NE(mistake(first + "    - {node: dgx-h100}\n", "schedule: adapipe\nparallel: {pp: 2}\n")
                  .find("schedule.name: adapipe searches the plan for stages on one kind of GPU"),
              std::string::npos);
}

}  // namespace
}  // namespace orrery::study
