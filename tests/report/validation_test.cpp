#include "report/validation.hpp"

#include <gtest/gtest.h>

namespace orrery::report {
namespace {

ValidatedRun run(const std::string& id, const std::string& source, double predicted, double measured) {
    return {id, source, "", 8, predicted, measured};
}

TEST(ErrorSummary, IsZeroWithoutRows) {
    const ErrorSummary summary = summarize({});
    EXPECT_EQ(summary.rows, 0u);
    EXPECT_EQ(summary.mean_abs, 0);
    EXPECT_EQ(summary.worst_id, "");
}

TEST(ErrorSummary, OfAnEvenNumberOfRowsWorkedByHand) {
    // errors: +10%, -20%, +30%, 0
    const std::vector<ValidatedRun> rows{run("a", "s", 1.1, 1), run("b", "s", 0.8, 1), run("c", "s", 2.6, 2),
                                         run("d", "s", 5, 5)};
    const ErrorSummary summary = summarize(rows);
    EXPECT_EQ(summary.rows, 4u);
    EXPECT_NEAR(summary.mean_abs, 0.15, 1e-12);
    EXPECT_NEAR(summary.median_abs, 0.15, 1e-12);
    EXPECT_NEAR(summary.max_abs, 0.3, 1e-12);
    EXPECT_NEAR(summary.mean_signed, 0.05, 1e-12);
    EXPECT_EQ(summary.worst_id, "c");
}

TEST(ErrorSummary, MedianOfAnOddNumberIsTheMiddleOne) {
    const std::vector<ValidatedRun> rows{run("a", "s", 1.5, 1), run("b", "s", 1.02, 1),
                                         run("c", "s", 0.9, 1)};
    EXPECT_NEAR(summarize(rows).median_abs, 0.1, 1e-12);
}

TEST(Validation, GroupsBySourceInOrderOfAppearance) {
    Validation validation;
    validation.rows = {run("a", "z", 1, 1), run("b", "y", 1, 1), run("c", "z", 1, 1)};
    validation.skipped = {{"d", "x", "why"}, {"e", "y", "why"}};
    EXPECT_EQ(validation.sources(), (std::vector<std::string>{"z", "y", "x"}));
    EXPECT_EQ(validation.rows_of("z").size(), 2u);
    EXPECT_TRUE(validation.rows_of("x").empty());
    EXPECT_EQ(validation.skipped_by_reason().at("why"), 2u);
}

}  // namespace
}  // namespace orrery::report
