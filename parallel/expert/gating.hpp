// parallel/expert/gating.hpp
//
// The popularity of experts, and its draw for each token. All from a seed: the same plan gives the same
// numbers on every machine.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "models/transformer.hpp"
#include "parallel/expert/expert_plan.hpp"

namespace orrery::parallel {

/// A generator for one purpose (a draw, a sender, ...): different keys give independent streams.
std::mt19937_64 generator(std::uint64_t seed, std::uint64_t key, std::uint64_t key2 = 0);

/// Uniform in [0, 1), 53 bits; the same on every platform, as the standard's distributions are not.
double uniform(std::mt19937_64& random);

/// [expert] how likely a draw is to choose it, adding up to 1: by the plan's gating, its ranking of the
/// experts drawn for `draw`, drifted to the plan's iteration. A measured histogram keeps its order at
/// iteration 0.
std::vector<double> popularity(const ExpertPlan& plan, std::int64_t experts, int draw);

/// The same for the tokens of one sender of several: a share `correlation` of its tokens follow a ranking
/// turned by the sender's own position, (1 - c) p[i] + c p[i - sender x experts / senders].
std::vector<double> popularity_at(const ExpertPlan& plan, std::span<const double> common, int sender,
                                  int senders);

/// Chooses experts for tokens by successive draws without replacement, in proportion to popularity. With
/// several groups a token first draws its groups, in proportion to their experts' popularity together, and
/// then its experts among theirs (node-limited routing, DeepSeek-V3, section 2.1.2).
class TokenGate {
  public:
    TokenGate(std::span<const double> popularity, const models::ExpertShape& shape);

    /// `top_k` different experts, in the order drawn. Valid until the next call.
    std::span<const int> choose(std::mt19937_64& random);

  private:
    void choose_groups(std::mt19937_64& random);
    int draw_expert(std::mt19937_64& random) const;
    int draw_remaining(std::mt19937_64& random) const;

    std::vector<double> weight_;
    std::vector<double> reach_;  ///< [expert] running sum of weights inside its group, this one included
    std::vector<double> group_weight_;
    std::int64_t group_size_;
    std::size_t top_k_;
    std::size_t top_groups_;
    std::vector<int> groups_;  ///< of the present token
    std::vector<int> chosen_;
    std::vector<bool> taken_;
};

}  // namespace orrery::parallel
