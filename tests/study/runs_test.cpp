// What a row of recorded runs stands for, and how its measured step time follows from what it records.
#include "study/runs.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "report/ranking.hpp"

namespace orrery::study {
namespace {

const std::string kHeader =
    "id,source,software,model,layers,hidden,heads,vocab,seq_length,gpu,gpus,gpus_per_node,tp,pp,vpp,dp,dp_"
    "sharding,"
    "micro_batch,microbatches,global_batch,recompute,precision,step_time_s,tflops_per_gpu,tokens_per_s_per_"
    "gpu,"
    "complete,experts,cp,notes\n";

std::string row(const std::string& step, const std::string& tflops, const std::string& tokens,
                const std::string& notes = "", const std::string& experts = "", const std::string& cp = "") {
    return "r1,here line 3,Megatron-LM 2021 "
           "(Selene),GPT,24,2304,24,51200,2048,a100-sxm-80g,32,8,1,1,1,32,,16,1,512,"
           "full,fp16," +
           step + "," + tflops + "," + tokens + ",1," + experts + "," + cp + "," + notes + "\n";
}

RecordedRun run_of(const std::string& line) {
    const csv::Table table = csv::parse(kHeader + line, "runs.csv");
    auto outcome = interpret(table, table.rows.at(0));
    if (const auto* skipped = std::get_if<Skipped>(&outcome)) throw std::runtime_error(skipped->reason);
    return std::get<RecordedRun>(std::move(outcome));
}

std::string reason_of(const std::string& line) {
    const csv::Table table = csv::parse(kHeader + line, "runs.csv");
    const auto outcome = interpret(table, table.rows.at(0));
    const auto* skipped = std::get_if<Skipped>(&outcome);
    return skipped != nullptr ? skipped->reason : "";
}

TEST(RecordedRuns, TakeTheStepTimeAsItStands) {
    EXPECT_EQ(run_of(row("1.25", "", "")).measured_step_time_s, 1.25);
}

TEST(RecordedRuns, TurnTokensPerSecondIntoStepTime) {
    EXPECT_DOUBLE_EQ(run_of(row("", "", "1000")).measured_step_time_s, 512.0 * 2048 / (1000.0 * 32));
}

TEST(RecordedRuns, TurnFlopRatesIntoStepTimeByMegatronsFormula) {
    // Narayanan et al. 2021, section 5.1, with recomputation: 96 B s l h^2 (1 + s/6h + V/16lh).
    const double h = 2304, l = 24, s = 2048, v = 51200, batch = 512;
    const double flops = 96 * batch * s * l * h * h * (1 + s / (6 * h) + v / (16 * l * h));
    EXPECT_NEAR(run_of(row("", "137", "", "counts the recomputed forward")).measured_step_time_s,
                flops / (137e12 * 32), 1e-9 * flops / (137e12 * 32));
}

TEST(RecordedRuns, DescribeTheirPlan) {
    const Experiment e = run_of(row("1", "", "")).experiment;
    EXPECT_EQ(e.plan.software, "megatron-lm-2021");
    EXPECT_EQ(e.plan.parallel.dp, 32);
    EXPECT_EQ(e.plan.training.global_batch, 512);
    EXPECT_EQ(e.plan.training.recompute, parallel::RecomputePolicy::full);
    EXPECT_EQ(e.cluster.nodes, 4);
    EXPECT_NO_THROW(check_experiment(e));
}

TEST(RecordedRuns, OfVTrainsSingleNodeTableAreWhatItsPredictorComposes) {
    std::string line = row("1", "", "");
    line.replace(line.find("here line 3"), 11, "VIA-Research/vTrain data/ground_truth_single.csv line 3");
    line.replace(line.find("Megatron-LM 2021 (Selene)"), 25, "Megatron-DeepSpeed");
    const Experiment e = run_of(line).experiment;
    EXPECT_EQ(e.plan.software, "vtrain-profile");
    EXPECT_EQ(e.plan.training.recompute, parallel::RecomputePolicy::none);
    EXPECT_FALSE(e.model.tied_embeddings);
}

TEST(RecordedRuns, SayWhyTheyAreSkipped) {
    EXPECT_EQ(reason_of(row("1", "", "", "", "64")), "the row does not describe its experts");
    EXPECT_EQ(reason_of(row("", "", "")), "the row records no time or throughput");
}

// --- rows that name a pipeline schedule ---

const std::string kScheduleHeader =
    "id,source,software,model,layers,hidden,heads,vocab,seq_length,gpu,gpus,tp,pp,dp,micro_batch,"
    "microbatches,"
    "schedule,schedule_memory_limit,slices,slice_lengths,steps_overlap,tokens_per_s_per_gpu,memory_gib\n";

std::variant<RecordedRun, Skipped> scheduled(const std::string& cells) {
    const csv::Table table =
        csv::parse(kScheduleHeader +
                       "z1,Paper Table 4,Megatron-LM (zero bubble),1.5B,22,2304,24,32000,1024,a100-sxm-80g," +
                       cells + "\n",
                   "schedules.csv");
    return interpret(table, table.rows.at(0));
}

TEST(ScheduleRows, NameTheirScheduleItsLimitAndWhatTheyShareWithOthers) {
    const RecordedRun run = std::get<RecordedRun>(scheduled("8,1,8,1,6,24,zb-auto,16,,,1,14848,59"));
    EXPECT_EQ(run.experiment.plan.schedule, "zb-auto");
    EXPECT_EQ(run.experiment.plan.schedule_memory_limit, 16);
    EXPECT_EQ(run.experiment.plan.software, "megatron-zero-bubble");
    EXPECT_TRUE(run.steps_overlap);
    EXPECT_DOUBLE_EQ(run.measured_step_time_s, 24 * 6 / (14.5 * 8));  // 14.5 samples a second and GPU
    EXPECT_DOUBLE_EQ(run.measured_peak_bytes, 59.0 * (1 << 30));
    const RecordedRun other = std::get<RecordedRun>(scheduled("8,1,8,1,6,24,1f1b,,,,,12083.2,30"));
    EXPECT_FALSE(other.steps_overlap);
    EXPECT_EQ(other.setting, run.setting);
    EXPECT_NE(std::get<RecordedRun>(scheduled("8,1,8,1,6,32,1f1b,,,,,12800,30")).setting, run.setting);
}

TEST(ScheduleRows, TakeTheChunksOfTheirScheduleAndTheLengthsOfTheirSlices) {
    EXPECT_EQ(std::get<RecordedRun>(scheduled("8,1,8,1,6,24,v-half,,,,,1,")).experiment.plan.parallel.vpp, 2);
    const parallel::Plan plan =
        std::get<RecordedRun>(scheduled("8,1,8,1,6,24,seq1f1b,,2,600+424,,1,")).experiment.plan;
    EXPECT_EQ(plan.slices, 2);
    EXPECT_EQ(plan.slice_lengths, (std::vector<std::int64_t>{600, 424}));
    for (const std::string lengths : {"600-424", "a", "600+", "0+1024", "+600"}) {
        EXPECT_THROW(scheduled("8,1,8,1,6,24,seq1f1b,,2," + lengths + ",,1,"), InputError) << lengths;
    }
}

TEST(RecordedRuns, RefuseCellsThatAreNoNumbers) {
    try {
        run_of(row("fast", "", ""));
        FAIL();
    } catch (const InputError& error) {
        EXPECT_EQ(error.where.line, 2U);
        EXPECT_EQ(error.key, "step_time_s");
    }
}

TEST(RecordedRuns, OneBadRowDoesNotStopTheTable) {
    const csv::Table table = csv::parse(kHeader + row("fast", "", "") + row("1", "", ""), "runs.csv");
    const report::Validation validation = validate_runs(table, 2);
    ASSERT_EQ(validation.skipped.size(), 1U);
    EXPECT_EQ(validation.skipped[0].reason, "a cell cannot be read: column step_time_s");
    EXPECT_EQ(validation.rows.size(), 1U);
}

TEST(SourceGroups, LeaveOutTheRow) {
    EXPECT_EQ(source_group("a/b@1 data/x.csv line 9"), "a/b@1 data/x.csv");
    EXPECT_EQ(source_group("a/b@1 data/x.csv line nine"), "a/b@1 data/x.csv line nine");
    EXPECT_EQ(source_group("a/b@1 table; details"), "a/b@1 table");
    EXPECT_EQ(source_group("a/b@1 summary.json case llama_tp2"), "a/b@1 summary.json");
}

TEST(PublishedRuns, ArePredictedNoWorseThanWhenTheReadmesTableWasMade) {
    // Mean absolute errors of step time; the table itself is in README.md. A guard, not a goal (that is 10%,
    // then 3%).
    const report::Validation all =
        validate_runs(csv::read(ORRERY_SOURCE_DIR "/configs/published/runs.csv"), 0);
    const std::map<std::string, double> most = {
        {"seqsel_tab5", 0.05},         {"cases_april2021", 0.09}, {"ground_truth_single", 0.20},
        {"ground_truth_multi", 0.115}, {"b200_release", 0.105},   {"A100 80GB", 0.09},
        {"A100 40GB", 0.095},          {"H100 80GB BF16", 0.13},
    };
    for (const auto& [part, bound] : most) {
        std::vector<report::ValidatedRun> rows;
        for (const report::ValidatedRun& run : all.rows) {
            if (run.source.find(part) != std::string::npos) rows.push_back(run);
        }
        ASSERT_FALSE(rows.empty()) << part;
        EXPECT_LE(report::summarize(rows).mean_abs, bound) << part;
    }
}

TEST(PublishedSchedules, AreOrderedAsMeasured) {
    // 137 rows; the figures are in README.md. A guard, as above: the goal is every pair, and 6 % of
    // throughput.
    const report::Validation all =
        validate_runs(csv::read(ORRERY_SOURCE_DIR "/configs/published/schedules.csv"), 0);
    const std::vector<report::Ranking> ranked = report::rankings(all.rows);
    EXPECT_GE(report::sum_of(ranked).kendall_tau(), 0.95);
    EXPECT_TRUE(report::sum_of(ranked).best_found);
    // The Seq1F1B fork's rows of sliced schedules are the furthest off, all of them too fast.
    const std::map<std::string, double> most = {{"Zero Bubble paper", 0.12}, {"Seq1F1B", 0.30}};
    for (const auto& [part, bound] : most) {
        std::vector<report::ValidatedRun> rows;
        for (const report::ValidatedRun& run : all.rows)
            if (run.source.find(part) != std::string::npos) rows.push_back(run);
        ASSERT_FALSE(rows.empty()) << part;
        EXPECT_LE(report::summarize(rows).mean_abs_throughput, bound) << part;
    }
    EXPECT_LE(report::summarize_memory(all.rows).mean_abs, 0.08);
}

}  // namespace
}  // namespace orrery::study
