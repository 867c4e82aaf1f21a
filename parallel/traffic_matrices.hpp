// parallel/traffic_matrices.hpp
//
// The matrices of exchanges that are not even, made once for all ranks of a program.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "parallel/expert/expert_traffic.hpp"
#include "parallel/step.hpp"

namespace orrery::parallel {

class TrafficMatrices {
  public:
    /// `traffic` may be none where the model has no experts.
    TrafficMatrices(Interner& interner, const ExpertTraffic* traffic, const ExpertPlan& plan)
        : interner_(interner), traffic_(traffic), plan_(plan) {}

    /// Makes `work`, an exchange among `members` ranks, what the step's traffic says: an all-to-all-v with
    /// its matrix, or, where dispatch and combine are even after all, an all-to-all. `type` and `draw`: whose
    /// copies travel.
    void apply(sim::Collective& work, const Step& step, int members, int type, int draw);

  private:
    struct Made {
        std::uint32_t matrix = sim::kNoMatrix;
        double mean_sent = 0;
    };
    Made make(const Step& step, int members, int type, int draw);

    Interner& interner_;
    const ExpertTraffic* traffic_;
    const ExpertPlan& plan_;
    std::map<std::tuple<Step::Traffic, double, int, int, int>, Made> made_;
};

/// All of `bytes` from each member to the next.
sim::TrafficMatrix ring_matrix(int members, double bytes);

/// Hierarchical dispatch (DeepEP): of a token's copies for one node, one crosses the network, to the rank of
/// the sender's own place there; that rank hands one to each rank of the node that the token visits. Both
/// ways overlap, chunk by chunk, so they are one exchange. `bytes`: of a copy.
sim::TrafficMatrix hierarchical_matrix(const Routing& routing, int node_ranks, double bytes);

}  // namespace orrery::parallel
