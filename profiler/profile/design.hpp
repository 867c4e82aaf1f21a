// profiler/profile/design.hpp
//
// Which kernels are worth measuring: the shapes that the zoo's models launch under tensor parallelism 1 to
// 16, and points that fill the space around them evenly.
//
// The points are Halton's (Halton 1960: radical inverses in prime bases), in the logarithm of each extent.
// The order of the design is such that any beginning of it covers every operation: a run cut short by its
// budget is thinner, not lopsided.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/kernels/backend.hpp"
#include "profiler/profile/record.hpp"

namespace orrery::profiler {

struct DesignOptions {
    bool quick = false;
    std::vector<Precision> precisions;  ///< the backend's, unless the user asked for fewer
    double most_flops = 0;              ///< see DeviceInfo
    double most_bytes = 0;
    double cache_bytes = 0;
    double memory_bytes = 0;
    std::vector<std::string> only;  ///< names of operations; empty: all
};

struct DesignPoint {
    KernelCase kernel_case;
    CacheState cache = CacheState::cold;
};

/// i-th point (from 0) of the Halton sequence in bases 2, 3, 5, ...: `dimensions` (at most 8) numbers in
/// [0, 1).
std::vector<double> halton(std::int64_t i, int dimensions);

/// Products and attention that the zoo's models launch, forward, input gradient and weight gradient, for one
/// micro-batch of one sequence under tp 1, 2, 4, 8, 16; distinct, in the order of the zoo.
std::vector<KernelCase> zoo_kernels(Precision precision);

/// The whole design. Throws InputError for an unknown name in `only`.
std::vector<DesignPoint> design(const DesignOptions& options);

}  // namespace orrery::profiler
