#include "report/pareto.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "report/html/time_memory_picture.hpp"
#include "report/terminal.hpp"
#include "report/text_width.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

Result result(const std::string& name, double time, double memory, bool fits = true) {
    Result r = testing::sample_result(name, 8, 1);
    r.step_time_s = time;
    r.memory.peak_bytes = memory;
    r.memory.fits = fits;
    return r;
}

TEST(ParetoFront, IsWhatNoOtherThatFitsBeats) {
    const std::vector<Result> results = {result("fast", 1, 50e9), result("frugal", 3, 10e9),
                                         result("between", 2, 30e9), result("beaten", 2.5, 30e9),
                                         result("too large", 0.5, 5e9, false)};
    EXPECT_EQ(time_memory_front(results), (std::vector<bool>{true, true, true, false, false}));
}

TEST(ParetoFront, HoldsEqualsTogether) {
    const std::vector<Result> results = {result("a", 1, 10e9), result("b", 1, 10e9)};
    EXPECT_EQ(time_memory_front(results), (std::vector<bool>{true, true}));
}

TEST(VariantsTable, IsSortedMarkedAndWithinTheWidth) {
    const std::vector<Result> results = {result("slow", 3, 60e9), result("fast", 1, 50e9),
                                         result("frugal", 2, 10e9)};
    const std::vector<NamedText> refused = {{"chimera",
                                             "its two replicas cannot be lowered, and this is "
                                             "a reason that is longer than a line of the table"}};
    const std::string text = variants_table(results, refused);
    EXPECT_LT(text.find("* fast"), text.find("* frugal"));
    EXPECT_LT(text.find("* frugal"), text.find("  slow"));
    EXPECT_EQ(text.find("* slow"), std::string::npos);
    EXPECT_NE(text.find("chimera"), std::string::npos);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 80U) << line;
}

TEST(TimeMemoryPicture, HasAPointAndANameForEach) {
    std::vector<Result> results;
    for (int i = 0; i < 6; ++i)
        results.push_back(result("schedule-" + std::to_string(i), 1 + i, 1e10 * (6 - i), i != 3));
    const std::string svg = time_memory_picture(results);
    for (const Result& r : results) EXPECT_NE(svg.find(">" + r.experiment + "<"), std::string::npos);
    std::size_t points = 0;
    for (std::size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
        ++points;
    EXPECT_EQ(points, results.size());
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(time_memory_picture(std::span(results).first(1)).find("nan"), std::string::npos);
}

}  // namespace
}  // namespace orrery::report
