// Gating and routing: what is conserved, what closed forms say, what a seed fixes.
#include "parallel/expert/routing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery::parallel {
namespace {

models::ExpertShape shape(std::int64_t experts, std::int64_t top_k) {
    models::ExpertShape s;
    s.count = experts;
    s.top_k = top_k;
    return s;
}

ExpertPlan plan(Gating gating, double skew = 1) {
    ExpertPlan p;
    p.gating = gating;
    p.skew = skew;
    return p;
}

Placement in_order(std::int64_t experts, int ranks) {
    return place_experts({}, experts, ranks, std::vector<double>(static_cast<std::size_t>(experts), 1.0));
}

double sum(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

struct Case {
    models::ExpertShape shape;
    ExpertPlan plan;
    int ranks;
    std::int64_t tokens;
};

/// Random plans of every kind, small enough to draw in full.
std::vector<Case> random_cases() {
    std::vector<Case> cases;
    std::mt19937_64 random(7);
    for (int i = 0; i < 120; ++i) {
        Case c;
        const std::int64_t groups = std::int64_t{1} << (random() % 4);
        const std::int64_t in_group = 2 + static_cast<std::int64_t>(random() % 6);
        c.shape = shape(groups * in_group, 1);
        c.shape.groups = groups;
        c.shape.top_groups = 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(groups));
        const std::int64_t reachable = c.shape.top_groups * in_group;
        c.shape.top_k = 1 + static_cast<std::int64_t>(
                                random() % static_cast<std::uint64_t>(std::min<std::int64_t>(reachable, 8)));
        c.plan.gating = std::array{Gating::random, Gating::zipf, Gating::measured}[random() % 3];
        c.plan.skew = 0.25 * static_cast<double>(random() % 9);
        c.plan.correlation = 0.25 * static_cast<double>(random() % 5);
        c.plan.drift = 0.1;
        c.plan.iteration = static_cast<std::int64_t>(random() % 50);
        c.plan.seed = random();
        for (std::int64_t e = 0; e < c.shape.count; ++e)
            c.plan.histogram.push_back(static_cast<double>(random() % 100));
        c.plan.histogram[0] += 1;
        c.ranks = static_cast<int>(groups);
        c.plan.node_ranks = c.ranks % 2 == 0 ? 2 : 1;
        c.tokens = 1 + static_cast<std::int64_t>(random() % 200);
        cases.push_back(std::move(c));
    }
    return cases;
}

TEST(Routing, SendsEachTokenToTopKExpertsAndLosesNone) {
    for (const Case& c : random_cases()) {
        const Placement placement = in_order(c.shape.count, c.ranks);
        const Routing routing = route(c.shape, c.plan, placement, c.tokens, 3);
        for (int sender = 0; sender < c.ranks; ++sender) {
            EXPECT_EQ(routing.sent_by(sender), static_cast<double>(c.tokens * c.shape.top_k));
            for (int slot = 0; slot < routing.slots; ++slot) {
                // No token chooses an expert twice.
                EXPECT_LE(routing.at(sender, slot), static_cast<double>(c.tokens));
            }
        }
        EXPECT_EQ(sum(routing.dropped), 0);
        EXPECT_EQ(sum(routing.loads), static_cast<double>(c.tokens * c.shape.top_k * c.ranks));
    }
}

TEST(Routing, ReceivesWhatIsSent) {
    constexpr double bytes = 14336;
    for (const Case& c : random_cases()) {
        const Placement placement = in_order(c.shape.count, c.ranks);
        const Routing routing = route(c.shape, c.plan, placement, c.tokens, 1);
        const sim::TrafficMatrix dispatch = dispatch_matrix(routing, placement, bytes);
        const sim::TrafficMatrix combine = transposed(dispatch);
        const auto n = static_cast<std::uint32_t>(c.ranks);
        for (std::uint32_t rank = 0; rank < n; ++rank) {
            double row = 0;
            double column = 0;
            for (std::uint32_t other = 0; other < n; ++other) {
                row += dispatch.at(rank, other);
                column += dispatch.at(other, rank);
                EXPECT_EQ(dispatch.at(rank, other), combine.at(other, rank));
            }
            EXPECT_EQ(row, bytes * routing.sent_by(static_cast<int>(rank)));
            EXPECT_EQ(column, bytes * routing.received_by(static_cast<int>(rank), placement));
        }
    }
}

TEST(Routing, VisitsNoMoreNodesThanTheRoutingAllows) {
    for (Case c : random_cases()) {
        c.plan.node_ranks = 1;  // a rank holds a group here: nodes are groups
        const Placement placement = in_order(c.shape.count, c.ranks);
        const Routing routing = route(c.shape, c.plan, placement, c.tokens, 0);
        const double most = static_cast<double>(c.tokens * std::min(c.shape.top_groups, c.shape.top_k));
        for (int sender = 0; sender < c.ranks; ++sender) {
            double nodes = 0;
            for (int node = 0; node < c.ranks; ++node) {
                const auto at = static_cast<std::size_t>(sender * c.ranks + node);
                EXPECT_LE(routing.node_visits[at], static_cast<double>(c.tokens));
                EXPECT_EQ(routing.node_visits[at], routing.rank_visits[at]);
                nodes += routing.node_visits[at];
            }
            EXPECT_LE(nodes, most);
            EXPECT_GE(nodes, static_cast<double>(c.tokens));
        }
    }
}

TEST(Routing, DropsWhatIsBeyondCapacityAndCountsIt) {
    for (Case c : random_cases()) {
        c.plan.capacity_factor = 1.25;
        const Placement placement = in_order(c.shape.count, c.ranks);
        const Routing routing = route(c.shape, c.plan, placement, c.tokens, 2);
        const double capacity = std::ceil(static_cast<double>(c.tokens * c.shape.top_k) /
                                          static_cast<double>(c.shape.count) * 1.25);
        for (int sender = 0; sender < c.ranks; ++sender) {
            for (int slot = 0; slot < routing.slots; ++slot) EXPECT_LE(routing.at(sender, slot), capacity);
            EXPECT_EQ(routing.sent_by(sender) + routing.dropped[static_cast<std::size_t>(sender)],
                      static_cast<double>(c.tokens * c.shape.top_k));
        }
        c.plan.overflow = Overflow::pad;
        const Routing padded = route(c.shape, c.plan, placement, c.tokens, 2);
        for (const double copies : padded.copies) EXPECT_EQ(copies, capacity);
        EXPECT_EQ(padded.dropped, routing.dropped);
    }
}

/// A factor of E / k leaves room for every token at one expert.
TEST(Routing, DropsNothingWhereAnExpertCouldTakeAllTokens) {
    for (Case c : random_cases()) {
        c.plan.capacity_factor = static_cast<double>(c.shape.count) / static_cast<double>(c.shape.top_k);
        EXPECT_EQ(sum(route(c.shape, c.plan, in_order(c.shape.count, c.ranks), c.tokens, 0).dropped), 0);
    }
}

TEST(Routing, IsFixedByItsSeed) {
    for (const Case& c : random_cases()) {
        const Placement placement = in_order(c.shape.count, c.ranks);
        const Routing once = route(c.shape, c.plan, placement, c.tokens, 4);
        EXPECT_EQ(once.copies, route(c.shape, c.plan, placement, c.tokens, 4).copies);
    }
    const models::ExpertShape many = shape(64, 4);
    const Placement placement = in_order(64, 8);
    ExpertPlan p = plan(Gating::zipf);
    const Routing first = route(many, p, placement, 500, 0);
    EXPECT_NE(first.copies, route(many, p, placement, 500, 1).copies);
    p.seed = 2;
    EXPECT_NE(first.copies, route(many, p, placement, 500, 0).copies);
}

/// Loads against their expectation: within five standard deviations, which all of some hundred experts keep
/// but once in ten thousand trials.
void expect_loads(const Routing& routing, const std::vector<double>& expected_share) {
    const double tokens = routing.tokens * routing.senders;
    for (std::size_t e = 0; e < expected_share.size(); ++e) {
        const double mean = tokens * expected_share[e];
        const double deviation = std::sqrt(tokens * expected_share[e] * (1 - expected_share[e]));
        EXPECT_NEAR(routing.loads[e], mean, 5 * deviation + 1e-9) << "expert " << e;
    }
}

TEST(Gating, ChoosesInProportionToPopularity) {
    for (const double skew : {0.0, 0.5, 1.0, 2.0}) {
        const ExpertPlan p = plan(Gating::zipf, skew);
        std::vector<double> expected = popularity(p, 32, 5);
        EXPECT_NEAR(sum(expected), 1, 1e-12);
        expect_loads(route(shape(32, 1), p, in_order(32, 4), 20000, 5), expected);
        std::ranges::sort(expected, std::greater());
        for (std::size_t i = 1; i < 32; ++i)
            EXPECT_NEAR(expected[0] / expected[i], std::pow(static_cast<double>(i + 1), skew), 1e-9);
    }
}

/// Two successive draws without replacement: expert i is among them with
/// p_i + sum over j of p_j p_i / (1 - p_j).
TEST(Gating, MatchesTheClosedFormOfTwoDrawsWithoutReplacement) {
    for (const double skew : {0.3, 1.0, 2.5}) {
        const ExpertPlan p = plan(Gating::zipf, skew);
        const std::vector<double> q = popularity(p, 16, 0);
        std::vector<double> expected(16);
        for (std::size_t i = 0; i < 16; ++i) {
            expected[i] = q[i];
            for (std::size_t j = 0; j < 16; ++j)
                if (j != i) expected[i] += q[j] * q[i] / (1 - q[j]);
        }
        EXPECT_NEAR(sum(expected), 2, 1e-12);
        expect_loads(route(shape(16, 2), p, in_order(16, 2), 40000, 0), expected);
    }
}

/// One of each group, all groups alike: a group is visited by top_groups / groups of the tokens.
TEST(Gating, SpreadsTokensOverGroupsEvenlyWhereAllAreAlike) {
    models::ExpertShape s = shape(64, 4);
    s.groups = 8;
    s.top_groups = 2;
    const Routing routing = route(s, plan(Gating::random), in_order(64, 8), 20000, 0);
    expect_loads(routing, std::vector<double>(64, 4.0 / 64));
}

TEST(Gating, FollowsAMeasuredHistogram) {
    ExpertPlan p = plan(Gating::measured);
    p.histogram = {5, 1, 0, 14};
    EXPECT_EQ(popularity(p, 4, 9), (std::vector<double>{0.25, 0.05, 0, 0.7}));
    const Routing routing = route(shape(4, 1), p, in_order(4, 2), 10000, 9);
    EXPECT_EQ(routing.loads[2], 0);
    expect_loads(routing, {0.25, 0.05, 0, 0.7});
}

TEST(Gating, DriftsFromItsRankingWithTheIterations) {
    ExpertPlan p = plan(Gating::zipf);
    p.drift = 0.1;
    const std::vector<double> start = popularity(p, 100, 0);
    const auto moved = [&](std::int64_t iteration) {
        p.iteration = iteration;
        const std::vector<double> now = popularity(p, 100, 0);
        int count = 0;
        for (std::size_t e = 0; e < 100; ++e) count += now[e] != start[e];
        EXPECT_NEAR(sum(now), 1, 1e-12);
        return count;
    };
    EXPECT_EQ(moved(0), 0);
    EXPECT_GT(moved(1), 0);
    EXPECT_LE(moved(1), 10);  // a tenth of the experts, and swaps that meet count once
    EXPECT_LT(moved(1), moved(20));
}

TEST(Gating, GivesCorrelatedSendersRankingsOfTheirOwn) {
    ExpertPlan p = plan(Gating::zipf);
    const std::vector<double> common = popularity(p, 8, 0);
    p.correlation = 1;
    for (int sender = 0; sender < 8; ++sender) {
        const std::vector<double> own = popularity_at(p, common, sender, 8);
        EXPECT_NEAR(sum(own), 1, 1e-12);
        for (std::size_t e = 0; e < 8; ++e)
            EXPECT_EQ(own[(e + static_cast<std::size_t>(sender)) % 8], common[e]);
    }
    // Each expert is each place of the ranking for one of the senders: all loads are alike again.
    expect_loads(route(shape(8, 1), p, in_order(8, 8), 20000, 0), std::vector<double>(8, 1.0 / 8));
}

TEST(Routing, BalancesExactlyWhereAsked) {
    models::ExpertShape s = shape(256, 8);
    s.groups = 8;
    s.top_groups = 4;
    ExpertPlan p;
    p.node_ranks = 8;
    const Routing routing = route(s, p, in_order(256, 64), 4096, 0);
    for (const double copies : routing.copies) EXPECT_EQ(copies, 128);
    EXPECT_EQ(imbalance(routing.loads), 1);
    // Four of eight nodes, as node-limited routing says; two of the 32 experts there, of which a rank has 4:
    // 1 - (28/32)(27/31).
    EXPECT_DOUBLE_EQ(routing.node_visits[0], 2048);
    EXPECT_NEAR(routing.rank_visits[0], 2048 * (1 - 28.0 / 32 * 27 / 31), 1e-9);
}

/// What balanced routing says of visits is what random gating comes to.
TEST(Routing, ExpectsTheVisitsThatRandomGatingHas) {
    const models::ExpertShape s = shape(64, 4);
    const Placement placement = in_order(64, 16);
    for (const int node_ranks : {2, 4}) {
        ExpertPlan even;
        even.node_ranks = node_ranks;
        ExpertPlan chance = plan(Gating::random);
        chance.node_ranks = node_ranks;
        const Routing expected = route(s, even, placement, 4000, 0);
        const Routing drawn = route(s, chance, placement, 4000, 0);
        EXPECT_NEAR(sum(drawn.rank_visits) / sum(expected.rank_visits), 1, 0.01);
        EXPECT_NEAR(sum(drawn.node_visits) / sum(expected.node_visits), 1, 0.01);
    }
}

TEST(Placement, ReplicatesTheMostPopularAndSharesTheirCopies) {
    ExpertPlan p = plan(Gating::measured);
    p.histogram = {100, 1, 1, 1, 1, 1};
    p.replicas = 2;
    const Placement placement = place_experts(p, 6, 4, popularity(p, 6, 0));
    EXPECT_EQ(placement.expert, (std::vector<int>{0, 1, 2, 3, 4, 5, 0, 0}));
    const Routing routing = route(shape(6, 1), p, placement, 3001, 0);
    double copies = 0;
    for (int sender = 0; sender < 4; ++sender) {
        EXPECT_EQ(routing.sent_by(sender), 3001);
        EXPECT_NEAR(routing.at(sender, 0), routing.at(sender, 6), 1);
        copies += routing.at(sender, 0) + routing.at(sender, 6) + routing.at(sender, 7);
    }
    EXPECT_EQ(copies, routing.loads[0]);
    p.placement = {5, 4, 3, 2, 1, 0};
    p.replicas = 0;
    EXPECT_EQ(place_experts(p, 6, 2, popularity(p, 6, 0)).rank_of(5), 1);
}

}  // namespace
}  // namespace orrery::parallel
