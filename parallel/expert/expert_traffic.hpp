// parallel/expert/expert_traffic.hpp
//
// The gatings of a whole step: for each layer type with experts, the draws that its layers and micro-batches
// take in turn, what each rank of the expert-parallel group sends and receives in each, and the matrices
// between them. Every expert-parallel group of the cluster sees the same draws, so that one can stand for
// all; senders of one expert tensor-parallel group send alike.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/emit.hpp"
#include "models/graph.hpp"
#include "parallel/expert/routing.hpp"
#include "parallel/plan.hpp"

namespace orrery::parallel {

class ExpertTraffic {
  public:
    /// `shape`: the rank's share of a micro-batch. The model must have experts.
    ExpertTraffic(const models::Model& model, const Plan& plan, const models::LocalShape& shape);

    /// Rank programs that a pipeline device needs: one, or one for each rank of the expert-parallel group.
    [[nodiscard]] int variants() const { return uniform_ ? 1 : ranks_; }
    /// Which draw a layer's micro-batch takes.
    [[nodiscard]] int draw_of(int node, int micro_batch) const {
        return (node + micro_batch) % static_cast<int>(placements_.size());
    }
    /// What a rank of the group (its variant) has of a layer of the given type, in that draw.
    [[nodiscard]] models::ExpertShare share(int type, int draw, int rank) const;
    /// Copies that go from each rank to each: bytes for copies of one byte.
    [[nodiscard]] const sim::TrafficMatrix& copies(int type, int draw) const {
        return matrices_.at(type)[static_cast<std::size_t>(draw)];
    }
    [[nodiscard]] bool uniform() const { return uniform_; }
    [[nodiscard]] const Routing& routing(int type, int draw) const {
        return routings_.at(type)[static_cast<std::size_t>(draw)];
    }
    [[nodiscard]] const Placement& placement(int draw) const {
        return placements_[static_cast<std::size_t>(draw)];
    }
    [[nodiscard]] int draws() const { return static_cast<int>(placements_.size()); }

  private:
    bool uniform_;
    int ranks_;
    int etp_;
    std::vector<Placement> placements_;             ///< [draw]
    std::map<int, std::vector<Routing>> routings_;  ///< type -> [draw]
    std::map<int, std::vector<sim::TrafficMatrix>> matrices_;
};

}  // namespace orrery::parallel
