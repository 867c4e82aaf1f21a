// profiler/fit_unfused.hpp
//
// Unfused attention is no kernel of its own: models emit its batched products and its softmax. What the
// products reach of the memory bandwidth (they are all memory-bound) shows in published timings of the whole.
#pragma once

#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/gemm_cost.hpp"

namespace orrery::profiler {

/// Seconds of the published benchmark's operators (flash-attention's benchmarks, attention_pytorch): QK^T,
/// softmax, PV; backward dV, dP, softmax's, dQ, dK; and the copies that rearrange q, k, v and the output.
/// Full masks only: the causal rows add a broadcast mask that training frameworks fuse into the softmax.
double unfused_attention_time(const Sample& sample, const sim::GemmModel& gemm,
                              const sim::MemoryModel& softmax, const sim::MemoryModel& elementwise,
                              const sim::GemmDevice& device);

/// The full-mask rows of `samples` that are unfused.
std::vector<Sample> unfused_rows(const std::vector<Sample>& samples);

/// Fits the products' `bandwidth` so that the sum meets the rows. Returns the model with it; `sum` says how
/// well the sum then meets them.
sim::GemmModel fit_gemm_bandwidth(const std::vector<Sample>& rows, const sim::GemmModel& gemm,
                                  const sim::MemoryModel& softmax, const sim::MemoryModel& elementwise,
                                  const sim::GemmDevice& device, sim::FitQuality& sum);

}  // namespace orrery::profiler
