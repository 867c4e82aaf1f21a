// Experiments with experts and divided contexts, from YAML to the result.
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "core/error.hpp"
#include "parallel/expert/expert_traffic.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// A small Mixtral on two nodes: enough of everything, quick to simulate unfolded.
std::string yaml(const std::string& parallel, const std::string& moe = "balanced",
                 const std::string& model = "{base: mixtral-8x7b, layers: 4, seq_length: 2048}") {
    return "model: " + model + "\ncluster: {node: dgx-h100, nodes: 2}\nparallel: " + parallel +
           "\nmoe: " + moe + "\ntraining: {global_batch: 32, micro_batch: 1}\ncalibration: h100-sxm-80g\n";
}

Experiment read(const std::string& text, bool fold = true) {
    Experiment e = parse_experiment(text, "moe.yaml");
    e.fold = fold;
    e.granularity = Granularity::layer;
    return e;
}

std::string error_of(const std::string& text) {
    try {
        read(text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

const char* const kPlans[] = {
    "{ep: 8, sharding: zero-1}",
    "{tp: 2, ep: 4, pp: 2, sequence_parallel: true, sharding: zero-1}",
    "{tp: 4, etp: 1, ep: 8, sequence_parallel: true}",
    "{tp: 2, etp: 1, cp: 2, ep: 8, sequence_parallel: true, sharding: zero-1}",
    "{ep: 2, pp: 4}",
};
const char* const kGatings[] = {"balanced",
                                "random",
                                "{routing: zipf, skew: 1, draws: 3}",
                                "{routing: zipf, skew: 1, capacity_factor: 1, draws: 2}",
                                "{routing: zipf, capacity_factor: 1, overflow: pad}",
                                "{routing: zipf, dispatcher: hierarchical, draws: 2}",
                                "{routing: random, replicas: 8, draws: 2}"};

/// Folding changes nothing: the times and the memory of one expert-parallel group stand for all.
TEST(Experts, GiveTheSameStepFoldedAndUnfolded) {
    for (const std::string plan : kPlans) {
        for (const std::string gating : {kGatings[0], kGatings[2], kGatings[5]}) {
            const std::string text = yaml(plan, gating);
            const Simulation folded = simulate(read(text));
            const Simulation whole = simulate(read(text, false));
            EXPECT_NEAR(folded.timeline.makespan(), whole.timeline.makespan(),
                        1e-9 * whole.timeline.makespan())
                << plan << gating;
            EXPECT_LT(folded.lowered.program.ranks.size(), whole.lowered.program.ranks.size()) << plan;
            std::uint64_t real = 0;
            for (const sim::Rank& rank : folded.lowered.program.ranks) real += rank.multiplicity;
            EXPECT_EQ(real, 16U) << plan;
            const report::Result a = summarize(read(text), folded);
            const report::Result b = summarize(read(text, false), whole);
            EXPECT_NEAR(a.memory.peak_bytes, b.memory.peak_bytes, 1e-9 * b.memory.peak_bytes) << plan;
        }
    }
}

TEST(Experts, MakeValidProgramsUnderEveryGating) {
    for (const std::string plan : kPlans) {
        for (const std::string gating : kGatings) {
            const Simulation s = simulate(read(yaml(plan, gating)));
            EXPECT_NO_THROW(sim::validate(s.lowered.program)) << plan << gating;
            EXPECT_GT(s.timeline.makespan(), 0);
        }
    }
}

/// Each layer and micro-batch dispatches twice and combines twice: forward, and back again.
TEST(Experts, DispatchAndCombineOncePerLayerMicroBatchAndDirection) {
    const Simulation s = simulate(read(yaml("{ep: 8}")));
    const sim::Program& program = s.lowered.program;
    std::map<std::string, int> count;
    for (const sim::TaskLabel& label : program.rank_programs[0].label)
        ++count[program.names[static_cast<std::size_t>(label.name)]];
    EXPECT_EQ(count["dispatch"], 4 * 2 * 2);  // layers, micro-batches, forward and backward
    EXPECT_EQ(count["combine"], 4 * 2 * 2);
}

/// 2,048 tokens x 2 copies x 4,096 numbers of 2 bytes.
TEST(Experts, SendEachTokensCopies) {
    const Simulation s = simulate(read(yaml("{ep: 8}")));
    int seen = 0;
    for (const sim::Work& work : s.lowered.program.works) {
        const auto* collective = std::get_if<sim::Collective>(&work);
        if (collective == nullptr || collective->kind != sim::CollectiveKind::all_to_all) continue;
        EXPECT_EQ(collective->bytes, 2048.0 * 2 * 4096 * 2);
        ++seen;
    }
    EXPECT_EQ(seen, 1);
}

TEST(Experts, SlowTheStepAsTheSkewGrows) {
    double last = 0;
    for (const std::string gating :
         {"balanced", "{routing: zipf, skew: 0.5}", "{routing: zipf, skew: 1}", "{routing: zipf, skew: 2}"}) {
        const double now = step_time(read(yaml("{ep: 8, sharding: zero-1}", gating)));
        EXPECT_GT(now, last) << gating;
        last = now;
    }
}

TEST(Experts, ReportWhatFellWhere) {
    const Experiment e = read(yaml("{ep: 8}", "{routing: zipf, skew: 1, capacity_factor: 1}"));
    const report::Result result = summarize(e, simulate(e));
    ASSERT_TRUE(result.moe.has_value());
    const report::ExpertResult& moe = *result.moe;
    EXPECT_GT(moe.expert_imbalance, 1.5);
    EXPECT_LE(moe.rank_imbalance, moe.expert_imbalance);
    EXPECT_GT(moe.dropped, 0.1);
    EXPECT_GT(moe.dispatch_s, 0);
    EXPECT_NEAR(std::accumulate(moe.expert_share.begin(), moe.expert_share.end(), 0.0), 1, 1e-12);
    EXPECT_EQ(moe.rank_share.size(), 8U);
    const Experiment even = read(yaml("{ep: 8}"));
    const report::ExpertResult balanced = *summarize(even, simulate(even)).moe;
    EXPECT_EQ(balanced.expert_imbalance, 1);
    EXPECT_EQ(balanced.rank_imbalance, 1);
    EXPECT_EQ(balanced.dropped, 0);
}

/// Experts' weights: ep divides them, zero-1 divides their optimizer state over the ranks that hold the same.
TEST(Experts, AreHeldAndShardedByTheirOwnGroups) {
    const auto held = [](const std::string& parallel) {
        return simulate(read(yaml(parallel))).lowered.program.rank_programs[0].static_bytes;
    };
    constexpr double experts = 4.0 * 8 * 3 * 4096 * 14336;  // of four layers
    const auto weights = static_cast<std::size_t>(sim::MemoryKind::parameters);
    const auto state = static_cast<std::size_t>(sim::MemoryKind::optimizer_state);
    EXPECT_DOUBLE_EQ(held("{ep: 1}")[weights] - held("{ep: 8}")[weights], 2 * experts * 7 / 8);
    // 16 ranks: the rest is sharded over all, the experts over the 2 that hold the same eighth.
    const double rest = held("{ep: 8}")[state] - 12 * experts / 8;
    EXPECT_NEAR(held("{ep: 8, sharding: zero-1}")[state], rest / 16 + 12 * experts / 8 / 2, 1);
}

TEST(Experts, HoldMoreWhereTokensCrowd) {
    const auto peak = [](const std::string& gating) {
        const Experiment e = read(yaml("{ep: 8}", gating));
        return summarize(e, simulate(e)).memory;
    };
    EXPECT_GT(peak("{routing: zipf, skew: 1.5}").peak_bytes, peak("balanced").peak_bytes);
}

TEST(Contexts, GiveTheSameStepFoldedAndUnfolded) {
    for (const std::string scheme : {"ring", "all-gather", "ulysses"}) {
        const std::string text =
            yaml("{cp: 4, tp: 2, ep: 2, etp: 1, sequence_parallel: true, cp_scheme: " + scheme + "}");
        const double whole = step_time(read(text, false));
        EXPECT_NEAR(step_time(read(text)), whole, 1e-9 * whole) << scheme;
    }
}

/// A quarter of the tokens on each of four times the ranks: the arithmetic is the same.
TEST(Contexts, DivideTheComputeOfASequence) {
    const std::string model = "{base: llama3-8b, layers: 4, seq_length: 32768}";
    const auto compute = [&](const std::string& parallel) {
        const std::string text = "model: " + model +
                                 "\ncluster: {node: dgx-h100, nodes: 1}\nparallel: " + parallel +
                                 "\ntraining: {global_batch: 8, micro_batch: 1}\n";
        const Experiment e = read(text);
        const report::Result result = summarize(e, simulate(e));
        return result.breakdown;
    };
    const double alone = compute("{cp: 1}").compute_s;
    for (const std::string scheme : {"ring", "all-gather", "ulysses"}) {
        const sim::Breakdown four = compute("{cp: 4, cp_scheme: " + scheme + "}");
        EXPECT_NEAR(four.compute_s, alone, 0.15 * alone) << scheme;
        EXPECT_GE(four.exposed_comm_s.cp, 0) << scheme;
        EXPECT_TRUE(scheme == "ring" || four.exposed_comm_s.cp > 0) << scheme;
    }
}

struct Mistake {
    std::string text;
    std::string message;
};

TEST(Experts, RefuseWhatCannotBe) {
    for (const Mistake& mistake : std::vector<Mistake>{
             {yaml("{ep: 3}"), "moe.yaml:3:16: parallel.ep: ep 3 does not divide the 16 ranks"},
             {yaml("{ep: 16}"),
              "moe.yaml:3:16: parallel.ep: ep 16 does not divide the 8 experts; expected one of 1, 2, 4, 8"},
             {yaml("{tp: 2, ep: 2}"), "moe.yaml:3:11: parallel.sequence_parallel: false: experts under"},
             {yaml("{tp: 2, etp: 4, sequence_parallel: true}"),
              "moe.yaml:3:24: parallel.etp: 4 does not divide tp 2; expected one of 1, 2"},
             {yaml("{ep: 2, sharding: fsdp}"), "moe.yaml:3:29: parallel.sharding: experts divided by ep"},
             {yaml("{ep: 2, cp_scheme: rign}"),
              "moe.yaml:3:30: parallel.cp_scheme: unknown cp_scheme 'rign'; did you mean 'ring'?"},
             {yaml("{cp: 3}"), "moe.yaml:3:"},
             {yaml("{ep: 2}", "{routing: zpif}"),
              "moe.yaml:4:16: moe.routing: unknown routing 'zpif'; did you mean 'zipf'?"},
             {yaml("{ep: 2}", "{skwe: 1}"),
              "moe.yaml:4:7: moe.skwe: unknown key 'skwe'; did you mean 'skew'?"},
             {yaml("{ep: 2}", "{routing: measured}"), "moe.yaml:4:6: moe.histogram: is missing; measured"},
             {yaml("{ep: 2}", "{drift: 0.5}"), "moe.yaml:4:14: moe.drift: has a meaning only with"},
             {yaml("{ep: 2}", "{overflow: pad}"), "moe.yaml:4:17: moe.overflow: pad: there is no capacity"},
             {yaml("{ep: 2}", "{placement: [0, 1, 2, 3, 4, 5, 6, 6]}"),
              "moe.yaml:4:18: moe.placement: expert 7 has no slot"},
             {yaml("{ep: 2}", "{replicas: 1}"),
              "moe.yaml:3:16: parallel.ep: ep 2 does not divide the 9 experts"},
             {yaml("{tp: 1}", "zipf", "llama3-8b"), "moe.yaml:4:6: moe: llama3-8b has no experts"},
             {yaml("{tp: 8, cp: 2, cp_scheme: ulysses, sequence_parallel: true}", "balanced",
                   "{base: mixtral-8x7b, heads: 24, kv_heads: 8, head_dim: 128}"),
              "moe.yaml:3:23: parallel.cp: ulysses: cp 2 does not divide the 3 heads"},
         }) {
        const std::string message = error_of(mistake.text);
        EXPECT_EQ(message.substr(0, mistake.message.size()), mistake.message);
    }
}

}  // namespace
}  // namespace orrery::study
