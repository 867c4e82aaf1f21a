// parallel/sequence/context_attention.hpp
//
// The attention core when the sequence is divided over c context-parallel ranks, S / c tokens each.
//
// Causal masks give late tokens more work, so every rank holds two of 2c chunks, i and 2c - 1 - i: all then
// do S^2 / (2c) of the products, as in Megatron-Core and Llama 3 (Llama team 2024, section 3.3.2).
//   ring       blocks of keys and values go round in c - 1 steps, each beside the attention to the block
//              before (Liu et al. 2023, Ring Attention). A rank sends (c - 1) x 2 (S/c) kv d elements
//              forward, and twice that backward: the gradients of the blocks go round as well.
//   all-gather every rank gathers all keys and values first, and again in backward, whose gradients are
//              reduce-scattered (Llama 3): gathered 2 S kv d elements forward, three times that in all.
//   ulysses    an all-to-all turns shares of the sequence into shares of the heads before the attention and
//              back after it (Jacobs et al. 2023, section 3): per rank (S/c)(h + 2 kv) d and (S/c) h d
//              elements, backward the same; 4 S h d / c for multi-head attention.
#pragma once

#include <vector>

#include "models/emit.hpp"
#include "parallel/plan.hpp"
#include "parallel/step.hpp"

namespace orrery::parallel {

/// Forward of the attention core; `shape.seq` is the rank's share of the sequence.
std::vector<Step> context_attention_forward(const models::Operator& op, const models::LocalShape& shape,
                                            const models::Software& software, const Parallelism& plan);

/// Its backward, gradients of queries, keys and values.
std::vector<Step> context_attention_backward(const models::Operator& op, const models::LocalShape& shape,
                                             const models::Software& software, const Parallelism& plan);

}  // namespace orrery::parallel
