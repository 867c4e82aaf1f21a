// zb-auto under limits below 1F1B's memory.
#include "schedules/zb_greedy.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "schedules/evaluate.hpp"
#include "schedules/zb_exact.hpp"

namespace orrery::schedules {
namespace {

PipelineShape limited(int p, int m, double limit) {
    PipelineShape shape{.devices = p, .micro_batches = m};
    shape.memory_limit = limit;
    return shape;
}

TEST(ZeroBubbleGreedy, IsNextToTheOptimumOfSmallCases) {
    int proven = 0;
    for (const auto& [p, m] : {std::pair{2, 3}, {2, 4}, {3, 3}, {3, 4}})
        for (int limit = 1; limit < p; ++limit) {
            const ZeroBubbleProblem problem = zero_bubble_problem(limited(p, m, limit));
            ASSERT_TRUE(below_one_f_one_b(problem));
            const ZeroBubbleOrder found = zero_bubble_heuristic(problem);
            const ExactSearch best = zero_bubble_exact(problem, found, {});
            if (!best.proven) continue;
            ++proven;
            EXPECT_LE(found.longest_span, best.best.longest_span + 1) << p << " " << m << " " << limit;
        }
    EXPECT_GE(proven, 4);
}

// With L micro-batches in flight a stage is busy for L of every round trip: F and B of p stages, and one W
// where no wait is left for it. It does not fall behind that bound by more than the warm-up and the ending.
TEST(ZeroBubbleGreedy, KeepsThePaceOfItsMicroBatchesInFlight) {
    for (const int p : {4, 8, 16, 32})
        for (int limit = 1; limit < p; limit += std::max(1, p / 5)) {
            const int m = 4 * p;
            const Schedule schedule = make_schedule("zb-auto", limited(p, m, limit));
            const Evaluation run = evaluate(schedule, {});
            EXPECT_LE(*std::max_element(run.peak_activation.begin(), run.peak_activation.end()), limit);
            const double round_trip = 2.0 * p + limit + 1;
            const double pace = std::max(3.0, round_trip / limit);
            EXPECT_LE(run.makespan, m * pace + 3.0 * p) << p << " " << limit;
        }
}

// Where memory is enough for 1F1B the paper's search is alone, and this one is no better.
TEST(ZeroBubbleGreedy, StaysOutWhereMemoryIsEnough) {
    for (const int p : {2, 4, 8})
        for (const int limit : {p, 2 * p})
            EXPECT_FALSE(below_one_f_one_b(zero_bubble_problem(limited(p, 3 * p, limit))));
}

}  // namespace
}  // namespace orrery::schedules
