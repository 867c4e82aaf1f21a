// parallel/expert/expert_steps.hpp
//
// The communications around the experts (Megatron-Core's all-to-all dispatcher): copies of tokens go to the
// ranks of their experts by an all-to-all over the expert-parallel group, and are gathered over the ranks
// that divide each expert; results are reduce-scattered over these and go back the same way. Backward, the
// gradients of the results travel as the tokens did, and those of the tokens as the results did.
#pragma once

#include <vector>

#include "models/emit.hpp"
#include "parallel/step.hpp"

namespace orrery::parallel {

/// To the experts: after `permute` forward, after `unpermute` backward. `op` is either of them.
std::vector<Step> dispatch_steps(const models::Operator& op, const models::LocalShape& shape,
                                 const Parallelism& plan);

/// From the experts: before `unpermute` forward, before `permute` backward.
std::vector<Step> combine_steps(const models::Operator& op, const models::LocalShape& shape,
                                const Parallelism& plan);

}  // namespace orrery::parallel
