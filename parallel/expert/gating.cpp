#include "parallel/expert/gating.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace orrery::parallel {
namespace {

std::uint64_t scramble(std::uint64_t x) {  // splitmix64 (Steele et al. 2014)
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

std::size_t below(std::mt19937_64& random, std::size_t count) {
    return std::min(count - 1, static_cast<std::size_t>(uniform(random) * static_cast<double>(count)));
}

constexpr std::uint64_t kRankingKey = 0x72616e6b;
constexpr std::uint64_t kDriftKey = 0x64726966;

/// Which place of the ranking each expert has.
std::vector<std::size_t> ranking(const ExpertPlan& plan, std::size_t experts, int draw) {
    std::vector<std::size_t> place(experts);
    std::iota(place.begin(), place.end(), std::size_t{0});
    const auto key = static_cast<std::uint64_t>(draw);
    if (plan.gating == Gating::zipf) {
        std::mt19937_64 random = generator(plan.seed, kRankingKey, key);
        for (std::size_t i = experts - 1; i > 0; --i) std::swap(place[i], place[below(random, i + 1)]);
    }
    std::mt19937_64 random = generator(plan.seed, kDriftKey, key);
    const double swaps = plan.drift * static_cast<double>(experts) / 2;
    double due = 0;
    for (std::int64_t t = 0; t < plan.iteration && swaps > 0; ++t) {
        for (due += swaps; due >= 1; due -= 1) {
            const std::size_t a = below(random, experts);
            std::swap(place[a], place[below(random, experts)]);
        }
    }
    return place;
}

}  // namespace

std::mt19937_64 generator(std::uint64_t seed, std::uint64_t key, std::uint64_t key2) {
    return std::mt19937_64(scramble(scramble(scramble(seed) ^ key) ^ key2));
}

double uniform(std::mt19937_64& random) {
    return static_cast<double>(random() >> 11) * 0x1.0p-53;
}

std::vector<double> popularity(const ExpertPlan& plan, std::int64_t experts, int draw) {
    const auto count = static_cast<std::size_t>(experts);
    std::vector<double> by_place(count, 1.0);
    if (plan.gating == Gating::zipf) {
        for (std::size_t i = 0; i < count; ++i)
            by_place[i] = std::pow(static_cast<double>(i + 1), -plan.skew);
    } else if (plan.gating == Gating::measured) {
        by_place = plan.histogram;
    }
    const double sum = std::accumulate(by_place.begin(), by_place.end(), 0.0);
    const std::vector<std::size_t> place = ranking(plan, count, draw);
    std::vector<double> result(count);
    for (std::size_t e = 0; e < count; ++e) result[e] = by_place[place[e]] / sum;
    return result;
}

std::vector<double> popularity_at(const ExpertPlan& plan, std::span<const double> common, int sender,
                                  int senders) {
    std::vector<double> own(common.begin(), common.end());
    if (plan.correlation == 0) return own;
    const std::size_t count = common.size();
    const std::size_t turn = count * static_cast<std::size_t>(sender) / static_cast<std::size_t>(senders);
    for (std::size_t e = 0; e < count; ++e) {
        own[e] = (1 - plan.correlation) * common[e] + plan.correlation * common[(e + count - turn) % count];
    }
    return own;
}

TokenGate::TokenGate(std::span<const double> popularity, const models::ExpertShape& shape)
    : weight_(popularity.begin(), popularity.end()),
      reach_(popularity.size()),
      group_weight_(static_cast<std::size_t>(shape.groups)),
      group_size_(shape.count / shape.groups),
      top_k_(static_cast<std::size_t>(shape.top_k)),
      top_groups_(static_cast<std::size_t>(shape.top_groups)),
      taken_(popularity.size()) {
    const auto size = static_cast<std::size_t>(group_size_);
    for (std::size_t e = 0; e < weight_.size(); ++e) {
        double& group = group_weight_[e / size];
        group += weight_[e];
        reach_[e] = group;
    }
}

void TokenGate::choose_groups(std::mt19937_64& random) {
    groups_.clear();
    if (top_groups_ == group_weight_.size()) {
        for (std::size_t g = 0; g < group_weight_.size(); ++g) groups_.push_back(static_cast<int>(g));
        return;
    }
    double left = std::accumulate(group_weight_.begin(), group_weight_.end(), 0.0);
    while (groups_.size() < top_groups_) {
        double at = uniform(random) * left;
        int last = -1;
        for (int g = 0; g < static_cast<int>(group_weight_.size()); ++g) {
            if (std::ranges::find(groups_, g) != groups_.end()) continue;
            last = g;
            at -= group_weight_[static_cast<std::size_t>(g)];
            if (at < 0) break;
        }
        groups_.push_back(last);
        left -= group_weight_[static_cast<std::size_t>(last)];
    }
}

int TokenGate::draw_expert(std::mt19937_64& random) const {
    double all = 0;
    for (const int g : groups_) all += group_weight_[static_cast<std::size_t>(g)];
    double at = uniform(random) * all;
    std::size_t next = 0;
    while (next + 1 < groups_.size() && at >= group_weight_[static_cast<std::size_t>(groups_[next])]) {
        at -= group_weight_[static_cast<std::size_t>(groups_[next++])];
    }
    const auto begin = reach_.begin() + groups_[next] * group_size_;
    const auto found = std::upper_bound(begin, begin + group_size_, at);
    return static_cast<int>(std::min(found, begin + group_size_ - 1) - reach_.begin());
}

/// The exact draw among those not taken: where rejection would take long.
int TokenGate::draw_remaining(std::mt19937_64& random) const {
    double left = 0;
    int last = -1;
    const auto each = [&](const auto& visit) {
        for (const int g : groups_) {
            for (std::int64_t e = g * group_size_; e < (g + 1) * group_size_; ++e) {
                if (!taken_[static_cast<std::size_t>(e)] && visit(static_cast<int>(e))) return;
            }
        }
    };
    each([&](int e) {
        left += weight_[static_cast<std::size_t>(e)];
        return false;
    });
    double at = uniform(random) * left;
    each([&](int e) {
        last = e;
        at -= weight_[static_cast<std::size_t>(e)];
        return at < 0;
    });
    return last;
}

std::span<const int> TokenGate::choose(std::mt19937_64& random) {
    constexpr int patience = 16;
    for (const int e : chosen_) taken_[static_cast<std::size_t>(e)] = false;
    chosen_.clear();
    choose_groups(random);
    while (chosen_.size() < top_k_) {
        int expert = draw_expert(random);
        for (int tries = 0; taken_[static_cast<std::size_t>(expert)]; ++tries) {
            expert = tries < patience ? draw_expert(random) : draw_remaining(random);
        }
        taken_[static_cast<std::size_t>(expert)] = true;
        chosen_.push_back(expert);
    }
    return chosen_;
}

}  // namespace orrery::parallel
