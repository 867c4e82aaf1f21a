#include "parallel/branch_partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>

#include "core/error.hpp"
#include "parallel/balanced_cut.hpp"
#include "random_towers.hpp"

namespace orrery::parallel {
namespace {

/// Calls visit(sizes) for every way to cut `pieces` into `parts`, none empty.
void for_every_cut(int pieces, int parts, std::vector<int>& sizes,
                   const std::function<void(const std::vector<int>&)>& visit) {
    if (parts == 1) {
        sizes.push_back(pieces);
        visit(sizes);
        sizes.pop_back();
        return;
    }
    for (int first = 1; first + parts - 1 <= pieces; ++first) {
        sizes.push_back(first);
        for_every_cut(pieces - first, parts - 1, sizes, visit);
        sizes.pop_back();
    }
}

double squares(const std::vector<double>& work, const std::vector<int>& sizes) {
    double sum = 0;
    std::size_t next = 0;
    for (const int size : sizes) {
        double part = 0;
        for (int i = 0; i < size; ++i) part += work[next++];
        sum += part * part;
    }
    return sum;
}

TEST(BalancedCut, IsTheBestOfAllCuts) {
    std::mt19937 random(1);
    for (int i = 0; i < 200; ++i) {
        const int pieces = pick(random, 1, 9);
        const int parts = pick(random, 1, pieces);
        std::vector<double> work;
        for (int piece = 0; piece < pieces; ++piece) work.push_back(pick(random, 0, 5));
        const std::vector<int> cut = balanced_cut(work, parts);
        ASSERT_EQ(std::accumulate(cut.begin(), cut.end(), 0), pieces);
        ASSERT_TRUE(std::ranges::all_of(cut, [](int size) { return size > 0; }));
        double largest = std::numeric_limits<double>::infinity();
        double least = largest;
        std::vector<int> sizes;
        for_every_cut(pieces, parts, sizes, [&](const std::vector<int>& other) {
            const std::pair now{largest_part(work, other), squares(work, other)};
            if (now < std::pair{largest, least}) std::tie(largest, least) = now;
        });
        EXPECT_EQ(largest_part(work, cut), largest);
        EXPECT_EQ(squares(work, cut), least);
    }
}

double work_of(const models::Model& model, const std::vector<int>& nodes) {
    double flops = 0;
    for (const int node : nodes)
        for (const models::Operator& op : model.layer(node).operators)
            flops += models::forward_flops(op, model.layer(node).tokens, false);
    return flops;
}

double largest_stage(const models::Model& model, const std::vector<std::vector<int>>& stages) {
    double largest = 0;
    for (const std::vector<int>& nodes : stages) largest = std::max(largest, work_of(model, nodes));
    return largest;
}

/// Every division of the blocks over so many stages is given as a plan's partition; those that no graph of
/// branches allows are refused.
TEST(Partition, ByBranchIsTheBestOfAll) {
    std::mt19937 random(2);
    for (int i = 0; i < 30; ++i) {
        const bool contrastive = i % 3 == 0;
        const models::Model model = models::build_transformer(towers_shape(
            random, {pick(random, 1, 3), pick(random, 1, 3)}, contrastive ? 0 : pick(random, 1, 2)));
        const int blocks = static_cast<int>(model.shape.blocks());
        const int stages = pick(random, contrastive ? 2 : 3, blocks);
        double best = std::numeric_limits<double>::infinity();
        std::vector<int> sizes;
        for_every_cut(blocks, stages, sizes, [&](const std::vector<int>& given) {
            try {
                best = std::min(best, largest_stage(model, partition_by_branch(model, stages, given)));
            } catch (const ExperimentError&) {
                // a stage with blocks of two branches
            }
        });
        EXPECT_EQ(largest_stage(model, partition_by_branch(model, stages, {})), best);
    }
}

TEST(Partition, HoldsEveryNodeOnceInOrderAndKeepsBranchesApart) {
    std::mt19937 random(3);
    for (int i = 0; i < 50; ++i) {
        const Case one = draw_towers(random, i % 2 == 0 ? "graphpipe" : "1f1b", false, true);
        const auto stages = layers_of_stages(one.model, one.plan, one.plan.parallel.pp);
        std::vector<int> all;
        for (const std::vector<int>& nodes : stages) {
            EXPECT_TRUE(std::ranges::is_sorted(nodes));
            all.insert(all.end(), nodes.begin(), nodes.end());
        }
        std::vector<int> expected(one.model.nodes.size());
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(all, expected) << one.text;
        if (!on_graph(one)) continue;
        for (const std::vector<int>& branch : branches_of(one.model))
            for (const std::vector<int>& nodes : stages) {
                const bool inside = std::ranges::binary_search(branch, nodes.front());
                for (const int node : nodes) EXPECT_EQ(std::ranges::binary_search(branch, node), inside);
            }
    }
}

TEST(Partition, FindsTheBranches) {
    std::mt19937 random(4);
    const models::Model trunk = models::build_transformer(towers_shape(random, {2, 1}, 1));
    // embedding, blocks, projection; the same; fusion, block, head.
    EXPECT_EQ(branches_of(trunk), (std::vector<std::vector<int>>{{0, 1, 2, 3}, {4, 5, 6}, {7, 8, 9}}));
    const models::Model contrastive = models::build_transformer(towers_shape(random, {2, 1}, 0));
    EXPECT_EQ(branches_of(contrastive), (std::vector<std::vector<int>>{{0, 1, 2, 3}, {4, 5, 6, 7}}));
    EXPECT_EQ(branches_of(models::build_transformer(tiny_shape(3, true))).size(), 1U);
    const auto stages = partition_by_branch(trunk, 4, std::vector<int>{1, 1, 1, 1});
    EXPECT_EQ(inputs_of_stages(trunk, stages), (std::vector<std::vector<int>>{{}, {0}, {}, {1, 2}}));
    EXPECT_EQ(inputs_of_stages(contrastive, partition_by_branch(contrastive, 2, {})),
              (std::vector<std::vector<int>>{{}, {0}}));
}

TEST(Partition, RefusesWhatTheBranchesDoNotAllow) {
    std::mt19937 random(5);
    const models::Model model = models::build_transformer(towers_shape(random, {2, 2}, 2));
    EXPECT_THROW(partition_by_branch(model, 2, {}), ExperimentError);
    EXPECT_THROW(partition_by_branch(model, 7, {}), ExperimentError);
    EXPECT_THROW(partition_by_branch(model, 3, std::vector<int>{3, 1, 2}), ExperimentError);
    EXPECT_THROW(partition_by_branch(model, 3, std::vector<int>{2, 2, 1}), ExperimentError);
    EXPECT_THROW(partition_in_sequence(model, 7, {}), ExperimentError);
}

}  // namespace
}  // namespace orrery::parallel
