// parallel/pipeline/activations.hpp
//
// How many bytes of activations a layer's forward leaves for its backward, on one rank, by the layer's policy
// and the token slice.
//
// Token slices. A slice's queries attend to the keys and values of all earlier slices, whose backwards come
// later. Where activations are kept, keys and values are among them; a layer recomputed in full keeps them
// beside its input. In backward each slice adds to the gradients of earlier slices' keys and values, which
// stand in a buffer from the last slice's backward to their own slice's.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "parallel/layer_policy.hpp"
#include "parallel/rank_context.hpp"

namespace orrery::parallel {

class Activations {
  public:
    Activations(const RankContext& context, const std::vector<LayerPolicy>& policies)
        : c_(context), policies_(policies) {}

    /// All that the forward saves; what a recomputation brings back.
    double saved(int node, int micro_batch, int slice);
    /// What stays after the forward: all, the input of a recomputed unit, or nothing behind its first layer.
    /// `stage_recomputed`: the schedule runs the whole stage's forward again, and only what comes to it from
    /// other stages or as data stays: `begins_the_stage` where the node reads them.
    double kept(int node, int micro_batch, int slice, bool stage_recomputed, bool begins_the_stage);
    /// The same by tensors, of no micro-batch in particular.
    [[nodiscard]] Kept what_is_kept(int node, int slice, bool stage_recomputed, bool begins_the_stage) const;
    /// Keys and values of the slice.
    [[nodiscard]] double keys_and_values(int node, int slice) const;
    /// The input of a layer, as it is kept for a recomputation.
    [[nodiscard]] double input_bytes(int node, int slice) const;

    [[nodiscard]] const LayerPolicy& policy(int node) const {
        return policies_[static_cast<std::size_t>(node)];
    }
    [[nodiscard]] bool selective(int node) const {
        return policy(node).recompute == RecomputePolicy::selective;
    }
    [[nodiscard]] bool recomputed(int node) const { return policy(node).recompute == RecomputePolicy::full; }

  private:
    const RankContext& c_;
    const std::vector<LayerPolicy>& policies_;
    /// By layer type, draw of the gating, slice, and whether selective.
    std::map<std::tuple<int, int, int, bool>, double> saved_;
};

}  // namespace orrery::parallel
