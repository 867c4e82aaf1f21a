#include "study/sweep/grid.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "core/yaml_flow.hpp"

namespace orrery::study {
namespace {

Space space(const std::string& text) {
    return read_space(yaml::parse(text, "vary.yaml"));
}

/// "a=1 b=x" for every point.
std::vector<std::string> points(const Space& s) {
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < s.size(); ++i) {
        std::string text;
        for (const Setting* setting : s.point(i)) {
            text += (text.empty() ? "" : " ") + setting->key + "=" + yaml::flow_text(setting->value);
        }
        all.push_back(text);
    }
    return all;
}

std::vector<std::string> values(const std::string& range) {
    std::vector<std::string> all;
    for (const yaml::Node& node : range_values(yaml::parse(range, "r"), "k")) all.push_back(node.text);
    return all;
}

using Texts = std::vector<std::string>;

TEST(Grid, CrossesItsKeysTheLastFastest) {
    EXPECT_EQ(points(space("{a: [1, 2], b: [x, y]}")), (Texts{"a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"}));
}

TEST(Grid, JoinsTheGridsOfAList) {
    EXPECT_EQ(points(space("[{a: [1, 2]}, {b: [x]}]")), (Texts{"a=1", "a=2", "b=x"}));
}

TEST(Grid, ZipsWithoutCrossing) {
    EXPECT_EQ(points(space("{zip: {a: [1, 2], b: [x, {c: 3}]}, d: [0, 1]}")),
              (Texts{"a=1 b=x d=0", "a=1 b=x d=1", "a=2 b={c: 3} d=0", "a=2 b={c: 3} d=1"}));
}

TEST(Grid, OfAMillionMillionPointsCostsNothingAndKnowsItsLast) {
    const Space s = space(
        "{a: {from: 1, to: 1000, step: 1}, b: {from: 1, to: 1000, step: 1}, "
        "c: {from: 1, to: 1000, step: 1}, d: {from: 1, to: 1000, step: 1}}");
    ASSERT_EQ(s.size(), 1'000'000'000'000U);
    for (const Setting* setting : s.point(s.size() - 1)) EXPECT_EQ(setting->value.text, "1000");
}

TEST(Range, KeepsIntegersAndItsEnd) {
    EXPECT_EQ(values("{from: 256, to: 4096, times: 2}"), (Texts{"256", "512", "1024", "2048", "4096"}));
    EXPECT_EQ(values("{from: 1, to: 2, step: 0.25}"), (Texts{"1", "1.25", "1.5", "1.75", "2"}));
    EXPECT_EQ(values("{from: 0, to: 0.3, step: 0.1}").size(), 4U);  // 3 x 0.1 > 0.3 in doubles
    EXPECT_EQ(values("{from: 1, to: 1e6, steps: 7, scale: log}"),
              (Texts{"1", "10", "100", "1000", "10000", "100000", "1000000"}));
    EXPECT_EQ(values("{from: 10, to: 0, step: -5}"), (Texts{"10", "5", "0"}));
    EXPECT_EQ(values("{from: 64, to: 1, times: 0.25}"), (Texts{"64", "16", "4", "1"}));
}

TEST(Range, RefusesWhatDoesNotEnd) {
    for (const char* text :
         {"{from: 1, to: 2}", "{from: 1, to: 2, step: 0}", "{from: 1, to: 2, step: -1}",
          "{from: 1, to: 2, times: 1}", "{from: 0, to: 2, times: 2}", "{from: 1, to: 2, steps: 1}",
          "{from: 1, to: 2, step: 1, times: 2}", "{from: 1, to: 1e12, step: 1}",
          "{from: 1, to: nan, step: 1}", "{to: 2, step: 1}", "{from: -1, to: 2, steps: 3, scale: log}",
          "{from: 1, to: 2, stepp: 1}"}) {
        EXPECT_THROW(values(text), InputError) << text;
    }
}

TEST(Space, RefusesWithThePlace) {
    try {
        space("a: [1]\nzip: {b: [1, 2], c: [1]}\n");
        FAIL();
    } catch (const InputError& error) {
        EXPECT_STREQ(error.what(),
                     "vary.yaml:2:21: vary.zip.c: 1 values, but the key before it has 2; expected as many");
    }
    for (const char* text : {"1", "[]", "{a: 1}", "{a: []}", "{zip: {a: [1]}, a: [2]}", "{zip: 3}"}) {
        EXPECT_THROW(space(text), InputError) << text;
    }
}

TEST(Plans, AreEverySplitOfTheGpus) {
    // Independent count: ordered triples (tp, pp, dp) with product 64 = C(6 + 2, 2).
    EXPECT_EQ(plan_choices(yaml::parse("{gpus: 64}", "p")).size(), 28U);
    // With cp: C(6 + 3, 3).
    EXPECT_EQ(plan_choices(yaml::parse("{gpus: 64, cp: all}", "p")).size(), 84U);
    const Axis limited = plan_choices(yaml::parse("{gpus: 64, tp: [2, 8], pp: 4, vpp: [1, 2]}", "p"));
    Texts texts;
    for (const Choice& choice : limited) {
        std::string text;
        for (const Setting& s : choice) text += s.value.text + " ";
        texts.push_back(text);
    }
    EXPECT_EQ(texts, (Texts{"64 2 4 1 1 8 1f1b 1 ", "64 2 4 1 1 8 interleaved-1f1b 2 ",
                            "64 8 4 1 1 2 1f1b 1 ", "64 8 4 1 1 2 interleaved-1f1b 2 "}));
    EXPECT_THROW(plan_choices(yaml::parse("{tp: 2}", "p")), InputError);
    EXPECT_THROW(plan_choices(yaml::parse("{gpus: 64, tpp: 2}", "p")), InputError);
    EXPECT_THROW(plan_choices(yaml::parse("{gpus: 64, tp: 3, pp: 5}", "p")), InputError);
}

}  // namespace
}  // namespace orrery::study
