// The groups of expert parallelism partition the ranks as Megatron-Core's do.
#include "parallel/expert/expert_groups.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace orrery::parallel {
namespace {

Parallelism degrees(int tp, int cp, int dp, int ep, int etp) {
    Parallelism p;
    p.tp = tp;
    p.cp = cp;
    p.dp = dp;
    p.ep = ep;
    p.etp = etp;
    return p;
}

TEST(ExpertGroups, NumberEachRankOnce) {
    for (const Parallelism& p : {degrees(1, 1, 8, 4, 0), degrees(2, 1, 8, 4, 0), degrees(4, 2, 4, 8, 1),
                                 degrees(8, 1, 2, 4, 2), degrees(2, 4, 6, 24, 2)}) {
        const int ranks = p.tp * p.cp * p.dp;
        std::set<std::tuple<int, int, int>> seen;
        for (int r = 0; r < ranks; ++r) {
            const ExpertCoordinates c = expert_coordinates(p, r);
            EXPECT_LT(c.etp, p.expert_tp());
            EXPECT_LT(c.ep, p.ep);
            EXPECT_LT(c.copy, expert_copies(p));
            seen.insert({c.etp, c.ep, c.copy});
        }
        EXPECT_EQ(static_cast<int>(seen.size()), ranks);
        EXPECT_EQ(p.expert_tp() * p.ep * expert_copies(p), ranks);
    }
}

/// Megatron-Core's parallel_state documentation: with tp 2, ep 2 on eight ranks, {0, 2}, {1, 3}, {4, 6},
/// {5, 7} exchange tokens and {0, 4}, {1, 5}, {2, 6}, {3, 7} reduce the experts' gradients.
TEST(ExpertGroups, AreMegatronCores) {
    const Parallelism p = degrees(2, 1, 4, 2, 0);
    EXPECT_EQ(expert_parallel_ranks(p), (std::vector<int>{0, 2}));
    EXPECT_EQ(expert_tensor_ranks(p), (std::vector<int>{0, 1}));
    EXPECT_EQ(expert_data_ranks(p), (std::vector<int>{0, 4}));
    EXPECT_EQ(expert_parallel_ranks(degrees(2, 1, 4, 4, 1)), (std::vector<int>{0, 1, 2, 3}));
}

/// Where one expert-parallel group is to stand for all, every tensor group must look the same from it: the
/// places that its members have in their expert-parallel groups.
TEST(ExpertGroups, FoldOnlyWhereEveryTensorAndContextGroupHasTheSamePlaces) {
    int folded = 0;
    for (const int tp : {1, 2, 3, 4}) {
        for (const int cp : {1, 2, 3}) {
            for (const int dp : {1, 2, 4, 6}) {
                const int ranks = tp * cp * dp;
                for (int ep = 2; ep <= ranks; ++ep) {
                    const Parallelism p = degrees(tp, cp, dp, ep, 1);
                    if (ranks % ep != 0 || !folds_to_expert_group(p)) continue;
                    ++folded;
                    // place -> places of the tensor group's members: the same for all ranks of a place.
                    std::map<int, std::set<int>> company;
                    for (int r = 0; r < ranks; ++r) {
                        std::set<int> places;
                        for (int t = 0; t < tp; ++t) places.insert(expert_coordinates(p, r / tp * tp + t).ep);
                        const auto [it, fresh] = company.emplace(expert_coordinates(p, r).ep, places);
                        EXPECT_TRUE(fresh || it->second == places) << tp << cp << dp << ep;
                    }
                }
            }
        }
    }
    EXPECT_GT(folded, 30);
}

}  // namespace
}  // namespace orrery::parallel
