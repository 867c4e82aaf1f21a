// study/numeric/held_weights.hpp
//
// The weights that a rank holds, their gradients, and who updates which part. What a rank has no right to
// read is not a number: weights not yet gathered or given back, and gradients reduced to other ranks.
#pragma once

#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "parallel/meaning.hpp"
#include "study/numeric/reference.hpp"

namespace orrery::study::numeric {

/// An operator's weights on a rank.
struct Held {
    Weights working;       ///< what layers compute with
    Weights main;          ///< of which its own part is up to date
    Weights gradient;      ///< summed over micro-batches
    Share division;        ///< which part is its own
    int copies = 0;        ///< gathered and not yet given back
    bool sharded = false;  ///< only gathered copies to compute with; gradients reduced one by one
    bool begins_whole = true;
};

class HeldWeights {
  public:
    HeldWeights(const Problem& problem, const Reference& reference, Share tensor_share,
                std::vector<int> nodes);

    /// How data parallelism divides the weights, before the first task. `sharded`: see Held.
    void divide(const parallel::WeightSet& set, Share division, bool sharded);
    /// They are gathered before they are used: at first only its own part is there.
    void begin_divided(const parallel::WeightSet& set);

    /// The owners of a set's weights on this rank.
    [[nodiscard]] std::vector<OperatorId> owners(const parallel::WeightSet& set) const;
    /// Where the operator's weights are held: a tied projection's with the embedding where that is here.
    [[nodiscard]] OperatorId place_of(OperatorId id) const;
    /// The embedding's weights or their copy.
    [[nodiscard]] OperatorId table() const;
    /// Throws Fault where it holds none.
    [[nodiscard]] Held& at(OperatorId id);

    /// To compute with. Throws Fault where they are not there.
    [[nodiscard]] const Weights& working(OperatorId id) const;
    /// What a backward of the micro-batch adds its gradient to.
    [[nodiscard]] Weights& gradient(OperatorId id, int micro_batch, int slice);
    /// Gradients of one micro-batch, complete and not yet reduced; absent: Fault.
    [[nodiscard]] Weights take_unreduced(OperatorId id, const parallel::WeightSet& set);
    void put_reduced(OperatorId id, const parallel::WeightSet& set, Weights share);
    [[nodiscard]] Weights& reduced(OperatorId id, const parallel::WeightSet& set);
    void add_share(OperatorId id, const parallel::WeightSet& set);
    void give_back(const parallel::WeightSet& set);

    /// One step of the optimizer, of its own parts. Throws Fault where a gradient is not the reference's.
    void update(double tolerance);
    /// Throws Fault where a weight is not the reference's after the step.
    void check_updated(double tolerance);

    double worst_gradient = 0;  ///< relative deviation, of the last update
    double worst_weight = 0;

  private:
    using Unreduced = std::tuple<OperatorId, int, int>;  ///< with micro-batch and slice

    [[nodiscard]] std::string name(OperatorId id) const;
    [[nodiscard]] bool table_is_here() const;
    void check_gradient(OperatorId id, Held& held, double tolerance);
    void check_weights(OperatorId id, Held& held, double tolerance);

    const Problem& problem_;
    const Reference& reference_;
    Share share_;
    std::vector<int> nodes_;
    std::map<OperatorId, Held> held_;
    std::map<Unreduced, Weights> unreduced_;
    std::map<Unreduced, Weights> reduced_;
};

/// Elements outside of a part, both of weight and bias, are set to not-a-number.
void keep_own_part(Weights& weights, Share division);
/// Both matrices of two weights, in turn.
template <class Visit>
void each_matrix(Weights& a, Weights& b, Visit visit) {
    visit(a.weight, b.weight);
    visit(a.bias, b.bias);
}

}  // namespace orrery::study::numeric
