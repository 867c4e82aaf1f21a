// tests/study/plan_search_test.cpp
//
// Searches over the plan on a real model: what they promise is what the simulation measures.
#include "study/plan_search.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.hpp"
#include "study/layer_prices.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

Experiment experiment(const std::string& schedule, double gigabytes, const std::string& recompute = "none") {
    const std::string text =
        "model: {family: gpt, layers: 24, hidden: 2048, heads: 16, vocab: 32000, seq_length: 2048}\n"
        "cluster: {node: dgx-a100, nodes: 1, gpu_memory_bytes: " +
        std::to_string(gigabytes * 1e9) +
        "}\n"
        "parallel: {tp: 2, pp: 4}\n"
        "training: {global_batch: 16, micro_batch: 2, precision: bf16, recompute: " +
        recompute +
        "}\n"
        "schedule: " +
        schedule + "\n";
    return parse_experiment(text, "e.yaml");
}

report::Result result(const Experiment& e) {
    return summarize(e, simulate(e));
}

TEST(LayerPrices, AddUpToTheStepsComputation) {
    const Experiment e = experiment("1f1b", 80);
    const LayerPrices prices = price_layers(e);
    ASSERT_EQ(prices.blocks.size(), 24U);
    double all = 0;
    for (const schedules::LayerCost& block : prices.blocks) {
        all += block.forward + block.backward;
        EXPECT_GE(block.choices[0].kept_bytes, block.choices[1].kept_bytes);  // flash attention: equal
        EXPECT_GT(block.choices[1].kept_bytes, block.choices[2].kept_bytes);
        EXPECT_EQ(block.choices[0].extra_time, 0);
        EXPECT_LT(block.choices[1].extra_time, block.choices[2].extra_time);
    }
    // The busiest of four equal stages computes a quarter of it for each of eight micro-batches.
    const report::Breakdown breakdown = result(e).breakdown;
    const double busy = breakdown.compute_s + breakdown.exposed_comm_s.tp;
    EXPECT_NEAR(busy, 8 * all / 4, 0.1 * busy);
}

TEST(PlanSearch, AdaPipeFitsWhereKeepingAllDoesNotAndBeatsRecomputingAll) {
    const report::Result none = result(experiment("1f1b", 80));
    const report::Result full = result(experiment("1f1b", 80, "full"));
    const double between = (none.memory.peak_bytes + 2 * full.memory.peak_bytes) / 3 / 1e9;
    const report::Result adapipe = result(experiment("adapipe", between));
    EXPECT_TRUE(adapipe.memory.fits) << adapipe.memory.peak_bytes;
    EXPECT_LT(adapipe.step_time_s, full.step_time_s);
    EXPECT_GE(adapipe.step_time_s, 0.99 * none.step_time_s);
    ASSERT_FALSE(adapipe.notes.empty());
    EXPECT_NE(adapipe.notes.front().find("recomputed"), std::string::npos) << adapipe.notes.front();
    EXPECT_THROW(simulate(experiment("adapipe", full.memory.peak_bytes / 4e9)), ExperimentError);
}

TEST(PlanSearch, MCapHoldsLessOnItsFullestDevice) {
    const report::Result even = result(experiment("1f1b", 80));
    const report::Result mcap = result(experiment("mcap", 80));
    EXPECT_LT(mcap.memory.peak_bytes, even.memory.peak_bytes);
    EXPECT_GT(mcap.step_time_s, even.step_time_s);
    int blocks = 0;
    for (const report::StageResult& stage : mcap.per_stage) blocks += stage.layers;
    EXPECT_EQ(blocks, 24);
}

TEST(PlanSearch, MPressFitsWhereKeepingAllDoesNot) {
    const report::Result none = result(experiment("1f1b", 80));
    const report::Result full = result(experiment("1f1b", 80, "full"));
    const double between = (none.memory.peak_bytes + full.memory.peak_bytes) / 2 / 1e9;
    const Experiment planned = with_searched_plan(experiment("mpress", between)).experiment;
    ASSERT_EQ(planned.plan.layer_recompute.size(), 24U);
    const auto treated = [&](std::size_t first, std::size_t last) {
        int count = 0;
        for (std::size_t block = first; block < last; ++block)
            count += planned.plan.layer_recompute[block] != parallel::RecomputePolicy::none ||
                     (!planned.plan.layer_offload.empty() &&
                      planned.plan.layer_offload[block] != parallel::OffloadTarget::none);
        return count;
    };
    EXPECT_GT(treated(0, 6), 0);    // the first stage overflows
    EXPECT_EQ(treated(18, 24), 0);  // the last has room
    report::Result mpress;
    try {
        mpress = result(experiment("mpress", between));
    } catch (const ExperimentError& error) {
        GTEST_SKIP() << error.what();  // until offloading is lowered
    }
    EXPECT_TRUE(mpress.memory.fits) << mpress.memory.peak_bytes / 1e9 << " of " << between;
    EXPECT_LE(mpress.step_time_s, full.step_time_s * 1.02);
}

}  // namespace
}  // namespace orrery::study
