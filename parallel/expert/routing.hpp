// parallel/expert/routing.hpp
//
// Which copies of tokens go where in one gating of one expert-parallel group: from the popularity of experts
// to the matrix of bytes between ranks.
//
// A sender has T tokens and makes k copies of each. An expert's capacity is C = ceil(T k / E x factor) copies
// from each sender (Megatron-Core's get_capacity; Lepikhin et al. 2021, section 2.2).
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/expert/gating.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

/// Which expert lies in each slot of each rank.
struct Placement {
    int ranks = 1;
    std::vector<int> expert;  ///< [slot], equally many slots on each rank, in the ranks' order

    [[nodiscard]] int slots_per_rank() const { return static_cast<int>(expert.size()) / ranks; }
    [[nodiscard]] int rank_of(std::size_t slot) const { return static_cast<int>(slot) / slots_per_rank(); }
};

/// The plan's placement of `experts` experts on `ranks` ranks, or the default one: experts in order, then
/// replicas of the most popular ones by `popularity`. With replicas, the slots are filled in order.
Placement place_experts(const ExpertPlan& plan, std::int64_t experts, int ranks,
                        const std::vector<double>& popularity);

/// One gating of one group. Numbers of copies are whole but for balanced gating, which may divide tokens.
struct Routing {
    int senders = 0;
    int slots = 0;
    double tokens = 0;            ///< of each sender
    std::vector<double> copies;   ///< [sender x slots + slot], padding included
    std::vector<double> dropped;  ///< [sender]
    std::vector<double> loads;    ///< [expert] copies of all senders that its gate chose, before capacity
    /// Hierarchical dispatch: tokens of a sender that visit each rank, and each node, at least once.
    std::vector<double> rank_visits;  ///< [sender x ranks + rank]
    std::vector<double> node_visits;  ///< [sender x nodes + node]

    [[nodiscard]] double sent_by(int sender) const;
    [[nodiscard]] double received_by(int rank, const Placement& placement) const;
    [[nodiscard]] double at(int sender, int slot) const {
        return copies[static_cast<std::size_t>(sender) * static_cast<std::size_t>(slots) +
                      static_cast<std::size_t>(slot)];
    }
};

/// Routes `tokens` tokens of each of `placement.ranks` senders. `draw` as popularity().
Routing route(const models::ExpertShape& shape, const ExpertPlan& plan, const Placement& placement,
              std::int64_t tokens, int draw);

/// Bytes from each sender to each rank, for copies of `bytes` each. Combine moves the transpose.
sim::TrafficMatrix dispatch_matrix(const Routing& routing, const Placement& placement, double bytes);
sim::TrafficMatrix transposed(const sim::TrafficMatrix& matrix);

/// Most over mean: 1 is even.
double imbalance(const std::vector<double>& loads);

}  // namespace orrery::parallel
