// study/numeric/reference.hpp
//
// The training step on one rank that holds everything: micro-batch after micro-batch forward and backward,
// nothing divided, nothing reordered. Its gradients are tested against finite differences of its loss.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "study/numeric/problem.hpp"

namespace orrery::study::numeric {

using ModelWeights = std::map<OperatorId, Weights>;  ///< by owner

/// Those of Problem::initial.
ModelWeights initial_weights(const Problem& problem);

struct Reference {
    double loss = 0;  ///< mean over the batch's tokens
    ModelWeights gradients;
    ModelWeights updated;  ///< after one step of the optimizer
    /// [node, data-parallel rank, micro-batch] the node's output, and the gradient of the loss by it. The
    /// last node has neither.
    std::map<std::tuple<int, int, int>, Matrix> outputs;
    std::map<std::tuple<int, int, int>, Matrix> output_gradients;
    double largest_gradient = 0;
};

Reference reference_step(const Problem& problem, const ModelWeights& weights);

/// The loss alone.
double reference_loss(const Problem& problem, const ModelWeights& weights);

}  // namespace orrery::study::numeric
