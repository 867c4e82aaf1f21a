#include "report/terminal.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "report/text_width.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::sample_result;
using testing::sample_validation;

void expect_within(const std::string& text, std::size_t width) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(display_width(line), width) << line;
        EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
    }
    if (std::getenv("ORRERY_SHOW") != nullptr) std::cout << text << "\n";
}

TEST(RunSummary, FitsEightyColumns) {
    const std::string text = run_summary(sample_result());
    expect_within(text, 80);
    EXPECT_NE(text.find("17.4 s"), std::string::npos);
    EXPECT_NE(text.find("44.4%"), std::string::npos);
    EXPECT_NE(text.find("fits"), std::string::npos);
    EXPECT_NE(text.find("1,234,567 tasks"), std::string::npos);
}

TEST(RunSummary, SaysWhenItDoesNotFit) {
    Result result = sample_result();
    result.memory.fits = false;
    EXPECT_NE(run_summary(result).find("DOES NOT FIT"), std::string::npos);
}

TEST(ComparisonTable, MarksTheBestThatFits) {
    std::vector<Result> results{sample_result("slow", 8, 1.5), sample_result("fast", 8, 1),
                                sample_result("fastest but too large", 8, 0.5)};
    results[2].memory.fits = false;
    const std::string text = comparison_table(results);
    expect_within(text, 80);
    EXPECT_NE(text.find("17.4 s *"), std::string::npos) << text;
    EXPECT_EQ(text.find("8.69 s *"), std::string::npos) << text;
    EXPECT_NE(text.find("-33.3%"), std::string::npos) << text;
}

TEST(ComparisonTable, GoesOnInBlocksWhenThereAreMany) {
    std::vector<Result> results;
    for (int i = 0; i < 10; ++i) {
        results.push_back(sample_result(
            "configs/published/megatron/very-long-name-" + std::to_string(i) + ".yaml", 8, 1 + 0.1 * i));
    }
    const std::string text = comparison_table(results);
    expect_within(text, 80);
    expect_within(comparison_table(results, 60), 60);
    EXPECT_EQ(comparison_table({}), "");
}

TEST(ValidationTable, FitsEightyColumnsWithLongSources) {
    Validation validation = sample_validation(12);
    validation.rows[3].source =
        "mosaicml/llm-foundry@8c8dd48f72 scripts/train/benchmarking/README.md | A100 80GB with 1600 Gbps "
        "interconnect";
    const std::string text = validation_table(validation);
    expect_within(text, 80);
    EXPECT_NE(text.find("2  context parallelism is not simulated yet"), std::string::npos) << text;
    EXPECT_NE(text.find("run-1011"), std::string::npos);
}

TEST(ValidationTable, CopesWithNothing) {
    expect_within(validation_table({}), 80);
}

}  // namespace
}  // namespace orrery::report
