// sim/metrics/kernel_use.hpp
//
// What a rank's kernel time went into: matrix products, attention, norms, ..., forward, backward, recomputed
// or in the optimizer, and how fast they ran. The parts add up to compute_s + optimizer_s of the rank's
// Breakdown (sim/metrics/metrics.hpp), whatever slowed the kernels down (collectives beside them, a slow
// GPU).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/kernel.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/metrics/metrics.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

/// When kernels run, as a reader asks for it: input and weight gradients are both backward.
enum class KernelPhase : std::uint8_t { forward, backward, recompute, optimizer };

std::string_view to_string(KernelPhase phase);

/// "gemm", "grouped_gemm", "attention", "elementwise", "normalization", ...
std::string kernel_family(const Kernel& kernel);

/// Kernels of one family in one phase.
struct KernelUse {
    std::string family;
    KernelPhase phase = KernelPhase::forward;
    std::uint64_t kernels = 0;  ///< that began in the step
    double seconds = 0;
    double flops = 0;  ///< executed by them; 0 of memory-bound kernels
    double bytes = 0;  ///< of device memory traffic, of memory-bound kernels only
};

/// Device seconds of a kernel on that rank's GPU, alone.
using KernelPricer = std::function<double(const Kernel&)>;

/// The kernels of `rank`, the longest first. A task of several kernels divides its time among them as their
/// prices do (equally where those are all zero). `window` as in measure(). O(tasks of the rank).
std::vector<KernelUse> measure_kernels(const Program& program, const Timeline& timeline,
                                       const WorkCosts& costs, RankId rank, const KernelPricer& price,
                                       std::optional<StepWindow> window = std::nullopt);

}  // namespace orrery::sim
