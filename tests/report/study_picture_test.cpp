#include "report/html/study_picture.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/report/sample_study.hpp"

namespace orrery::report {
namespace {

using testing::sample_study;

double value(const StudyPoint& point, std::size_t column) {
    return std::get<double>(point.cells[column]);
}

/// By definition: fits, and no other that fits is as good in both and better in one.
std::set<std::size_t> front_by_definition(const StudyReport& study, std::size_t x, std::size_t y) {
    const auto better = [&](std::size_t a, std::size_t b, std::size_t column) {
        const double difference = value(study.points[a], column) - value(study.points[b], column);
        return study.columns[column].better == Better::less ? difference < 0 : difference > 0;
    };
    std::set<std::size_t> front;
    for (std::size_t i = 0; i < study.points.size(); ++i) {
        bool beaten = !study.points[i].fits;
        for (std::size_t other = 0; other < study.points.size(); ++other) {
            if (!study.points[other].fits) continue;
            const bool worse = better(i, other, x) || better(i, other, y);
            beaten |= !worse && (better(other, i, x) || better(other, i, y));
        }
        if (!beaten) front.insert(i);
    }
    return front;
}

TEST(StudyPicture, FrontHoldsThePointsThatNoOtherBeats) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        StudyReport study = sample_study(60, seed);
        // Few different values, so that there are ties.
        for (StudyPoint& point : study.points) {
            if (seed % 2 == 0) point.cells[2] = std::ceil(value(point, 2));
            if (seed % 4 == 0) point.cells[3] = std::ceil(10 * value(point, 3)) / 10;
        }
        for (const auto& [x, y] : {std::pair<std::size_t, std::size_t>(2, 3), {3, 2}, {2, 4}, {3, 4}}) {
            const std::vector<std::size_t> front = front_of(study, x, y);
            EXPECT_EQ(std::set<std::size_t>(front.begin(), front.end()), front_by_definition(study, x, y));
            const std::size_t column = x;
            EXPECT_TRUE(std::is_sorted(front.begin(), front.end(), [&](auto a, auto b) {
                return value(study.points[a], column) < value(study.points[b], column);
            }));
        }
        EXPECT_TRUE(front_of(study, 0, 2).empty());  // a setting has no better direction
    }
}

TEST(StudyPicture, DrawsEachPointOnceAndNothingForTexts) {
    StudyReport study = sample_study(50);
    const std::string svg = study_picture(study);
    std::size_t circles = 0;
    for (std::size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
        ++circles;
    EXPECT_EQ(circles, 50U);
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    study.x = 1;
    EXPECT_EQ(study_picture(study), "");
}

TEST(StudyUnits, ComeFromTheNamesOfColumns) {
    EXPECT_EQ(unit_of("step_time_s"), StudyUnit::seconds);
    EXPECT_EQ(unit_of("tokens_per_s"), StudyUnit::plain);
    EXPECT_EQ(unit_of("memory.activations"), StudyUnit::bytes);
    EXPECT_EQ(unit_of("memory.fits"), StudyUnit::plain);
    EXPECT_EQ(unit_of("bubble_ratio_span"), StudyUnit::share);
    EXPECT_EQ(unit_of("calibration"), StudyUnit::plain);
}

}  // namespace
}  // namespace orrery::report
