// The shares of links against a textbook's progressive filling over all loads and links at once, and against
// what makes an allocation max-min fair at all.
#include "sim/engine/flow_shares.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace orrery::sim {
namespace {

struct Load {
    std::vector<LinkDemand> footprint;
    double reference = 1;
    double weight = 1;
    int priority = 0;
};

/// Speeds by raising all rates together in many small exact steps: at each, the next thing that binds is
/// found by looking at every link and every load (Bertsekas and Gallager 1992, section 6.5.2).
std::map<std::uint32_t, double> textbook(const std::vector<double>& capacity,
                                         const std::map<std::uint32_t, Load>& loads) {
    std::map<std::uint32_t, double> speed;
    std::vector<int> priorities;
    for (const auto& [id, load] : loads) priorities.push_back(load.priority);
    std::sort(priorities.rbegin(), priorities.rend());
    priorities.erase(std::unique(priorities.begin(), priorities.end()), priorities.end());
    for (const int priority : priorities) {
        std::map<std::uint32_t, Load> rising;
        for (const auto& [id, load] : loads)
            if (load.priority == priority) rising.emplace(id, load);
        for (const auto& [id, load] : rising) speed[id] = 0;
        while (!rising.empty()) {
            std::vector<double> used(capacity.size(), 0);
            std::vector<double> slope(capacity.size(), 0);
            for (const auto& [id, x] : speed)
                for (const LinkDemand& on : loads.at(id).footprint) used[on.link] += on.demand * x;
            for (const auto& [id, load] : rising)
                for (const LinkDemand& on : load.footprint)
                    slope[on.link] += on.demand * load.weight / load.reference;
            double step = INFINITY;
            for (std::size_t l = 0; l < capacity.size(); ++l)
                if (slope[l] > 0) step = std::min(step, std::max(0.0, capacity[l] - used[l]) / slope[l]);
            for (const auto& [id, load] : rising)
                step = std::min(step, (1 - speed[id]) * load.reference / load.weight);
            for (const auto& [id, load] : rising) speed[id] += step * load.weight / load.reference;
            for (auto it = rising.begin(); it != rising.end();) {
                bool held = speed[it->first] >= 1 - 1e-12;
                for (const LinkDemand& on : it->second.footprint) {
                    double sum = 0;
                    for (const auto& [id, x] : speed)
                        for (const LinkDemand& other : loads.at(id).footprint)
                            if (other.link == on.link) sum += other.demand * x;
                    held = held || sum >= capacity[on.link] * (1 - 1e-12);
                }
                it = held ? rising.erase(it) : std::next(it);
            }
        }
    }
    return speed;
}

class RandomTraffic {
  public:
    explicit RandomTraffic(unsigned seed, bool priorities, bool weights)
        : random(seed), with_priorities(priorities), with_weights(weights) {
        capacity.resize(static_cast<std::size_t>(between(1, 8)));
        for (double& c : capacity) c = between(1, 20);
    }

    Load load() {
        Load result;
        std::vector<std::uint32_t> links(capacity.size());
        for (std::uint32_t l = 0; l < links.size(); ++l) links[l] = l;
        std::shuffle(links.begin(), links.end(), random);
        links.resize(
            static_cast<std::size_t>(between(1, static_cast<int>(std::min<std::size_t>(4, links.size())))));
        double hardest = 0;
        for (const std::uint32_t link : links) {
            const double demand = capacity[link] * between(1, 16) / 16;
            result.footprint.push_back({link, demand});
            if (demand / capacity[link] > hardest) {
                hardest = demand / capacity[link];
                result.reference = demand;
            }
        }
        if (with_weights) result.weight = between(1, 4);
        if (with_priorities) result.priority = between(0, 2);
        return result;
    }

    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

    std::mt19937 random;
    bool with_priorities;
    bool with_weights;
    std::vector<double> capacity;
};

constexpr std::uint32_t kSlots = 12;

void expect_equal(const FlowShares& shares, const std::map<std::uint32_t, Load>& loads,
                  const std::vector<double>& capacity, unsigned seed) {
    for (const auto& [id, speed] : textbook(capacity, loads))
        EXPECT_NEAR(shares.speed(id), speed, 1e-9) << "seed " << seed << " load " << id;
}

void expect_invariants(const FlowShares& shares, const std::map<std::uint32_t, Load>& loads,
                       const std::vector<double>& capacity) {
    std::vector<double> used(capacity.size(), 0);
    for (const auto& [id, load] : loads)
        for (const LinkDemand& on : load.footprint) used[on.link] += on.demand * shares.speed(id);
    for (std::size_t l = 0; l < capacity.size(); ++l) EXPECT_LE(used[l], capacity[l] * (1 + 1e-9));
    for (const auto& [id, load] : loads) {
        const bool full = std::any_of(
            load.footprint.begin(), load.footprint.end(),
            [&](const LinkDemand& on) { return used[on.link] >= capacity[on.link] * (1 - 1e-9); });
        EXPECT_TRUE(full || shares.speed(id) >= 1 - 1e-12) << "load " << id << " is held up by nothing";
    }
}

/// Loads come and go, capacities change; after every batch the incremental solution is the global one.
void come_and_go(unsigned seed, bool priorities, bool weights) {
    RandomTraffic random(seed, priorities, weights);
    std::vector<double> capacity = random.capacity;
    FlowShares shares(capacity, kSlots);
    std::map<std::uint32_t, Load> loads;
    for (int batch = 0; batch < 12; ++batch) {
        for (int change = random.between(1, 4); change > 0; --change) {
            const auto id = static_cast<std::uint32_t>(random.between(0, kSlots - 1));
            if (random.between(0, 5) == 0) {
                const auto link =
                    static_cast<std::uint32_t>(random.between(0, static_cast<int>(capacity.size()) - 1));
                capacity[link] = random.capacity[link] * random.between(0, 4) / 4;
                shares.set_capacity(link, capacity[link]);
            } else if (loads.count(id) != 0) {
                shares.remove(id);
                loads.erase(id);
            } else {
                const Load& load = loads.emplace(id, random.load()).first->second;
                shares.add(id, {load.footprint, load.reference, load.weight, load.priority});
            }
        }
        shares.settle();
        expect_equal(shares, loads, capacity, seed);
        expect_invariants(shares, loads, capacity);
    }
}

TEST(FlowShares, AreTheTextbooksWhateverComesAndGoes) {
    for (unsigned seed = 0; seed < 300; ++seed) come_and_go(seed, false, false);
}

TEST(FlowShares, AreTheTextbooksWithWeights) {
    for (unsigned seed = 300; seed < 500; ++seed) come_and_go(seed, false, true);
}

TEST(FlowShares, AreTheTextbooksWithPriorities) {
    for (unsigned seed = 500; seed < 700; ++seed) come_and_go(seed, true, true);
}

TEST(FlowShares, TwoMessagesOnOneLinkHaveHalfOfIt) {
    const std::vector<LinkDemand> way = {{0, 10}};
    FlowShares shares({10}, 2);
    shares.add(0, {way, 10, 1, 0});
    shares.add(1, {way, 10, 1, 0});
    shares.settle();
    EXPECT_DOUBLE_EQ(shares.speed(0), 0.5);
    EXPECT_DOUBLE_EQ(shares.speed(1), 0.5);
}

TEST(FlowShares, WhatOneCannotUseGoesToTheOther) {
    // The first load is held to a tenth of link 0 by link 1, which another has filled with nine tenths.
    const std::vector<LinkDemand> both = {{0, 10}, {1, 10}};
    const std::vector<LinkDemand> far = {{1, 10}};
    const std::vector<LinkDemand> near = {{0, 10}};
    FlowShares shares({10, 10}, 3);
    shares.add(0, {both, 10, 1, 0});
    shares.add(1, {far, 10, 9, 0});
    shares.add(2, {near, 10, 1, 0});
    shares.settle();
    EXPECT_DOUBLE_EQ(shares.speed(0), 0.1);
    EXPECT_DOUBLE_EQ(shares.speed(1), 0.9);
    EXPECT_DOUBLE_EQ(shares.speed(2), 0.9);
}

TEST(FlowShares, ALowerPriorityGetsWhatIsLeftAndNothingWhereNothingIs) {
    const std::vector<LinkDemand> all = {{0, 10}};
    const std::vector<LinkDemand> part = {{0, 4}};
    FlowShares shares({10}, 3);
    shares.add(0, {part, 4, 1, 1});
    shares.add(1, {all, 10, 1, 0});
    shares.settle();
    EXPECT_DOUBLE_EQ(shares.speed(0), 1);
    EXPECT_DOUBLE_EQ(shares.speed(1), 0.6);
    shares.add(2, {all, 10, 1, 2});
    shares.settle();
    EXPECT_EQ(shares.speed(0), 0);
    EXPECT_EQ(shares.speed(1), 0);
    EXPECT_EQ(shares.speed(2), 1);
}

TEST(FlowShares, OnlyWhatIsTouchedChanges) {
    const std::vector<LinkDemand> left = {{0, 10}};
    const std::vector<LinkDemand> right = {{1, 10}};
    FlowShares shares({10, 10}, 4);
    shares.add(0, {left, 10, 1, 0});
    shares.add(1, {right, 10, 1, 0});
    shares.settle();
    EXPECT_EQ(shares.changed().size(), 2U);
    shares.add(2, {left, 10, 1, 0});
    shares.settle();
    const std::vector<std::uint32_t> changed(shares.changed().begin(), shares.changed().end());
    EXPECT_EQ(changed, (std::vector<std::uint32_t>{0, 2}));
}

}  // namespace
}  // namespace orrery::sim
