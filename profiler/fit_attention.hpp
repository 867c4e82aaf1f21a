// profiler/fit_attention.hpp
//
// Fits the attention models of sim/cost/attention_cost.hpp: one implementation and head size at a time,
// forward and backward together, because most published rows time the sum of both.
#pragma once

#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/attention_cost.hpp"

namespace orrery::profiler {

/// Forward and backward of one implementation and head size.
struct AttentionPair {
    sim::AttentionModel forward;
    sim::AttentionModel backward;
};

/// What a fit is weakly held to where its samples say little.
struct AttentionPrior {
    double efficiency = 0.6;
    double forward_over_backward =
        73.0 / 63.0;  ///< FlashAttention-2 (Dao 2023), abstract and section 4.1, A100
    double overhead = 170;
    double diagonal = 96;
    double tail = 0.5;
    double tail_spread = 0.5;  ///< how loosely it is held, in logarithms
    int forward_rows = 128;
    int backward_rows = 128;
    double fixed_forward_s = 3e-6;
    double fixed_backward_s = 8e-6;  ///< three kernels
};

/// Fits to samples of that implementation and head size. A sample whose FLOPs are 3.5 times a forward's times
/// forward and backward. Throws InputError when there are none.
AttentionPair fit_attention(const std::vector<Sample>& samples, AttentionImplementation implementation,
                            int head_dim, const AttentionPrior& prior, const sim::GemmDevice& device);

/// Predicted time of a sample by the pair (the sum where the sample times both).
double attention_sample_time(const Sample& sample, const AttentionPair& pair, const sim::GemmDevice& device);

}  // namespace orrery::profiler
