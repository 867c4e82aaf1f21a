// Models of several towers as whole experiments.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "sim/engine/engine.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

std::string experiment(const std::string& parallel, const std::string& more) {
    return "model: clip-vit-b-32\ncluster: {node: dgx-a100, gpus: 4, nodes: 1}\nparallel: " + parallel +
           "\ntraining: {global_batch: 64, micro_batch: 4, precision: fp16}\ngranularity: layer\n" + more;
}

constexpr const char* kTrunk =
    "model: {layers: 4, hidden: 512, heads: 8, vocab: 1000, towers: [\n"
    "  {name: text, layers: 4, hidden: 256, heads: 8, vocab: 8000, seq_length: 64},\n"
    "  {name: image, layers: 4, hidden: 384, heads: 8, patches: {image: 64, patch: 8}}]}\n"
    "cluster: {node: dgx-a100, gpus: 4, nodes: 1}\ntraining: {global_batch: 16, micro_batch: 2}\n"
    "granularity: layer\n";

std::string error_of(const std::string& text) {
    try {
        parse_experiment(text, "towers.yaml");
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

/// Replay, told what each transfer took in SimGrid, gives SimGrid's step.
void expect_engines_agree(const std::string& text) {
    const Experiment e = parse_experiment(text + "fold: false\n", "towers.yaml");
    const Simulation s = simulate(e);
    const sim::Program& program = s.lowered.program;
    sim::WorkCosts costs = s.prices.costs;
    for (sim::WorkCost& cost : costs) cost = {cost.duration_s, 0, cost.duration_s};
    try {
        const sim::Timeline moved = sim::simulate_with_simgrid(program, costs, e.cluster);
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            for (std::uint32_t t = 0; t < tasks.size(); ++t) {
                if (tasks.communicator_slot[t] == sim::kNoCommunicator) continue;
                const std::uint64_t task = program.first_task[r] + t;
                const double duration = moved.end[task] - moved.start[task];
                costs[tasks.work[t]()] = {duration, 0, duration};
            }
        }
        const double replayed = sim::replay(program, costs).makespan();
        EXPECT_NEAR(replayed / moved.makespan(), 1, 1e-3) << text;
    } catch (const MissingCapability& missing) {
        GTEST_SKIP() << missing.what();
    }
}

TEST(Towers, TakeAsLongInReplayAsInSimGrid) {
    expect_engines_agree(experiment("{pp: 4}", "schedule: distmm\n"));
    expect_engines_agree(experiment("{pp: 4}", "schedule: gpipe\n"));
    expect_engines_agree(std::string(kTrunk) + "parallel: {pp: 4}\nschedule: graphpipe\n");
}

TEST(Towers, AddUp) {
    for (const std::string& text : {experiment("{pp: 2, dp: 2}", "schedule: distmm\n"),
                                    experiment("{tp: 2, pp: 2}", "schedule: gpipe\n"),
                                    experiment("{dp: 4, sharding: zero-1}", "schedule: gpipe\n"),
                                    experiment("{dp: 4, sharding: fsdp}", "schedule: gpipe\n"),
                                    std::string(kTrunk) + "parallel: {pp: 4}\nschedule: graphpipe\n",
                                    std::string(kTrunk) + "parallel: {pp: 2, tp: 2}\nschedule: 1f1b\n",
                                    std::string(kTrunk) + "parallel: {pp: 2, dp: 2}\nschedule: "
                                                          "{name: interleaved-1f1b, vpp: 2}\n"}) {
        const Experiment e = parse_experiment(text, "towers.yaml");
        const Simulation s = simulate(e);
        const report::Result result = summarize(e, s);
        EXPECT_NEAR(result.breakdown.total() / result.step_time_s, 1, 1e-9) << text;
        EXPECT_GT(result.mfu, 0) << text;
        EXPECT_LT(result.hfu, 1) << text;
        int layers = 0;
        for (const report::StageResult& stage : result.per_stage) layers += stage.layers;
        EXPECT_EQ(layers, e.model.blocks()) << text;
        EXPECT_EQ(s.lowered.device_parameters.empty(), false);
    }
}

TEST(Towers, NameWhatTheyDoNotAllow) {
    const auto has = [](const std::string& message, const std::string& part) {
        EXPECT_NE(message.find(part), std::string::npos) << message;
    };
    const std::string trunk = kTrunk;
    has(error_of(trunk + "parallel: {pp: 2, dp: 2}\nschedule: graphpipe\n"),
        "parallel.pp: 2 stages are fewer than the 3 branches");
    has(error_of(trunk + "parallel: {pp: 4, partition: [3, 3, 3, 3]}\nschedule: graphpipe\n"),
        "parallel.partition: stage 1 would hold layers of two branches");
    has(error_of(trunk + "parallel: {pp: 4, partition: [3, 3, 3, 2]}\nschedule: 1f1b\n"),
        "adds up to 11 layers; the model has 12");
    has(error_of(trunk + "parallel: {cp: 4}\n"), "parallel.cp");
    has(error_of(trunk + "parallel: {pp: 4}\nschedule: {name: terapipe, slices: 2}\n"), "schedule.slices");
    EXPECT_THROW(parse_experiment(experiment("{tp: 4}", "schedule: gpipe\n"), "towers.yaml",
                                  std::vector<std::string>{"training.seq_length=2048"}),
                 InputError);
    has(error_of(experiment("{tp: 4, sequence_parallel: true}", "schedule: gpipe\n")),
        "parallel.sequence_parallel");
    const Experiment early = parse_experiment(experiment("{pp: 4}", "schedule: 1f1b\n"), "towers.yaml");
    EXPECT_THROW(simulate(early), ExperimentError);
}

}  // namespace
}  // namespace orrery::study
