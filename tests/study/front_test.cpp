#include "study/sweep/front.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace orrery::study {
namespace {

/// The definition: every point against every other.
std::vector<std::size_t> by_definition(const std::vector<std::vector<double>>& points) {
    std::vector<std::size_t> front;
    for (std::size_t i = 0; i < points.size(); ++i) {
        bool beaten = false;
        for (const auto& other : points) {
            bool no_worse = true;
            for (std::size_t k = 0; k < other.size(); ++k) no_worse &= other[k] <= points[i][k];
            beaten |= no_worse && other != points[i];
        }
        if (!beaten) front.push_back(i);
    }
    return front;
}

TEST(ParetoFront, IsTheDefinitionOnRandomPoints) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        const std::size_t dimensions = 1 + random() % 4;
        std::vector<std::vector<double>> points(1 + random() % 60, std::vector<double>(dimensions));
        for (auto& point : points) {
            for (double& x : point) x = static_cast<double>(random() % 8);  // ties are frequent
        }
        std::vector<std::size_t> front = pareto_front(points);
        EXPECT_TRUE(std::is_sorted(front.begin(), front.end(),
                                   [&](auto a, auto b) { return points[a] < points[b]; }));
        std::sort(front.begin(), front.end());
        EXPECT_EQ(front, by_definition(points));
    }
}

TEST(ParetoFront, LeavesOutWhatIsNoNumber) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(pareto_front({{nan, 0}, {1, 1}}), (std::vector<std::size_t>{1}));
    EXPECT_TRUE(pareto_front({}).empty());
}

}  // namespace
}  // namespace orrery::study
