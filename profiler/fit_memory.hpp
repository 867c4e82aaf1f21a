// profiler/fit_memory.hpp
//
// Fits fixed_s + bytes / (bandwidth peak) to samples of one family of memory-bound kernels. Samples timed by
// a host call share one unknown call time, which is fitted and dropped. Each operator of the family
// (`what`) weighs the same, however many rows it has.
#pragma once

#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/calibration.hpp"

namespace orrery::profiler {

/// Weakly held to `prior` (bandwidth within a tenth, fixed time within a third). Samples of other families
/// are passed over; without any, the prior comes back with an empty quality.
sim::MemoryModel fit_memory(const std::vector<Sample>& samples, MemoryFamily family,
                            const sim::MemoryModel& prior, double peak_bandwidth);

}  // namespace orrery::profiler
