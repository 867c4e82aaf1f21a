// parallel/tensor/megatron.hpp
//
// Megatron tensor parallelism (Shoeybi et al. 2019; Narayanan et al. 2021, section 2.3) and its sequence
// parallelism (Korthikanti et al. 2022, section 4.2.2): a layer's operators become steps of one rank, kernels
// with the tensor-parallel collectives between them.
//
// Without sequence parallelism each region between a column- and a row-split linear costs one all-reduce
// forward (after the row split) and one backward (of the column split's input gradient). With it, the same
// bytes move as all-gather and reduce-scatter, and the column split's input is gathered once more in backward
// for its weight gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "models/emit.hpp"
#include "parallel/meaning.hpp"
#include "parallel/step.hpp"

namespace orrery::parallel {

/// The steps of one pass over the layer, with those of context parallelism (sequence/) in the attention core
/// and of expert parallelism (expert/) around the experts. `recompute_attention`: selective recomputation,
/// the core attention's forward is run again just before its backward. `Pass::backward` computes both
/// gradients, operator by operator, last first.
std::vector<Step> layer_steps(const models::Layer& layer, const models::LocalShape& shape,
                              const models::Software& software, const Parallelism& plan, Pass pass,
                              bool recompute_attention);

}  // namespace orrery::parallel
