// tests/study/variants_test.cpp
#include "study/variants.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "schedules/schedule.hpp"

namespace orrery::study {
namespace {

constexpr const char* kBase =
    "model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 8192, seq_length: 512}\n"
    "cluster: {node: dgx-a100, nodes: 1}\n"
    "parallel: {tp: 2, pp: 2}\n"
    "schedule: {name: interleaved-1f1b, vpp: 4}\n"
    "training: {global_batch: 16, micro_batch: 1}\n";

std::vector<Variant> variants(const std::string& vary, std::vector<std::string> overrides = {}) {
    return parse_variants(kBase + vary, "v.yaml", overrides);
}

TEST(Variants, AreAllCombinationsOfAMap) {
    const auto all = variants(
        "vary:\n"
        "  schedule: [1f1b, {name: interleaved-1f1b, vpp: 2}]\n"
        "  training.global_batch: [16, 32]\n");
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[0].name, "1f1b, training.global_batch 16");
    EXPECT_EQ(all[3].name, "interleaved-1f1b vpp 2, training.global_batch 32");
    ASSERT_TRUE(all[3].experiment);
    EXPECT_EQ(all[3].experiment->plan.parallel.vpp, 2);
    EXPECT_EQ(all[3].experiment->plan.training.global_batch, 32);
    EXPECT_EQ(all[3].experiment->name, all[3].name);
    EXPECT_EQ(all[3].experiment->plan.parallel.tp, 2);
}

TEST(Variants, OfTheScheduleDoNotInheritTheOptionsOfAnother) {
    const auto all = variants("vary: {schedule: [1f1b]}\n");
    EXPECT_EQ(all[0].experiment->plan.parallel.vpp, 1);  // not the base's 4
}

TEST(Variants, MayBeAListOfMapsWithNames) {
    const auto all = variants(
        "vary:\n"
        "  - {name: [narrow], parallel.tp: [1]}\n"
        "  - {parallel: [{tp: 4, pp: 2}], schedule: [gpipe]}\n");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].name, "narrow");
    EXPECT_EQ(all[0].experiment->plan.parallel.tp, 1);
    EXPECT_EQ(all[0].experiment->plan.schedule, "interleaved-1f1b");
    EXPECT_EQ(all[1].experiment->plan.parallel.tp, 4);
    EXPECT_EQ(all[1].experiment->plan.schedule, "gpipe");
}

TEST(Variants, ThatCannotBeSayWhyBesideThoseThatCan) {
    const auto all = variants("vary: {parallel.tp: [2, 3]}\n");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[0].experiment);
    EXPECT_FALSE(all[1].experiment);
    EXPECT_NE(all[1].refused.find("parallel"), std::string::npos) << all[1].refused;
}

TEST(Variants, TakeOverrides) {
    const auto all = variants("vary: {schedule: [1f1b, gpipe]}\n", {"training.global_batch=64"});
    for (const Variant& variant : all)
        EXPECT_EQ(variant.experiment->plan.training.global_batch, 64) << variant.name;
}

TEST(Variants, MistakesAreNamedWithTheirPlace) {
    const auto error = [](const std::string& vary) -> std::string {
        try {
            variants(vary);
        } catch (const InputError& mistake) {
            return mistake.what();
        }
        return "no error";
    };
    EXPECT_NE(error("").find("vary"), std::string::npos);
    EXPECT_NE(error("vary: []\n").find("v.yaml:6"), std::string::npos) << error("vary: []\n");
    EXPECT_NE(error("vary: {parallel.tp: 2}\n").find("list"), std::string::npos);
    EXPECT_NE(error("vary: [3]\n").find("map"), std::string::npos);
    // All of them wrong: the first mistake.
    EXPECT_NE(error("vary: {parallel.tp: [3, 5]}\n").find("v.yaml:"), std::string::npos)
        << error("vary: {parallel.tp: [3, 5]}\n");
    EXPECT_NE(error("vary: {paralel.tp: [2]}\n").find("parallel"), std::string::npos);
    // The file describes several experiments: it is none.
    EXPECT_THROW(parse_experiment(std::string(kBase) + "vary: {parallel.tp: [2]}\n", "v.yaml"), InputError);
}

TEST(Variants, OfTheSchedulesFileAreAllSchedules) {
    std::set<std::string> named;
    std::size_t simulated = 0;
    for (const char* file : {"configs/schedules.yaml", "configs/schedules-14.6b.yaml"})
        for (const Variant& variant : load_variants(std::string(ORRERY_SOURCE_DIR) + "/" + file)) {
            named.insert(variant.name.substr(0, variant.name.find(' ')));
            simulated += variant.experiment.has_value();
        }
    for (const schedules::ScheduleEntry& entry : schedules::registry())
        EXPECT_TRUE(named.contains(std::string(entry.name))) << entry.name << " is missing";
    EXPECT_GT(simulated, 30U);
}

}  // namespace
}  // namespace orrery::study
