// parallel/expert/expert_plan.hpp
//
// How tokens reach experts: which experts are popular, how many a token visits at most of, what happens to
// those an expert cannot take, which rank holds which expert. What an experiment's `moe:` map says.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace orrery::parallel {

/// How popular each expert is.
enum class Gating : std::uint8_t {
    balanced,  ///< every expert gets the same number of copies from every sender: nothing is left to chance
    random,    ///< all alike, each token chooses on its own
    zipf,      ///< the i-th most popular is chosen in proportion to i^-skew
    measured,  ///< in proportion to a histogram
};

/// What an expert's capacity does to a sender's copies.
enum class Overflow : std::uint8_t {
    drop,  ///< those beyond it are dropped
    pad,   ///< and what is missing to it is filled: every product has the same size
};

/// How copies travel.
enum class Dispatcher : std::uint8_t {
    all_to_all,    ///< each copy goes straight to its expert's rank (Megatron-Core)
    hierarchical,  ///< one copy a node crosses the network, then goes to the ranks there (DeepEP)
};

struct ExpertPlan {
    Gating gating = Gating::balanced;
    double skew = 1;                ///< of zipf
    std::vector<double> histogram;  ///< of measured: one weight an expert, any scale
    double correlation = 0;         ///< share of each rank's tokens that follow a ranking of its own
    double drift = 0;               ///< share of the experts that change place in the ranking each iteration
    std::int64_t iteration = 0;     ///< the training step that is simulated
    std::optional<double> capacity_factor;  ///< empty: the model's; 0: an expert takes all
    Overflow overflow = Overflow::drop;
    Dispatcher dispatcher = Dispatcher::all_to_all;
    std::uint64_t seed = 1;
    int draws = 8;     ///< independent gatings that the layers and micro-batches take in turn
    int replicas = 0;  ///< further copies of experts
    /// [slot] which expert lies there; slots lie on ranks in order, equally many on each. Empty: the experts
    /// in order, then replicas of the most popular.
    std::vector<int> placement;
    int node_ranks = 0;  ///< hierarchical: ranks of the expert-parallel group on a node

    /// Whether all ranks of an expert-parallel group do the same work.
    [[nodiscard]] bool uniform() const {
        return (gating == Gating::balanced || overflow == Overflow::pad) && replicas == 0 &&
               placement.empty();
    }
};

}  // namespace orrery::parallel
