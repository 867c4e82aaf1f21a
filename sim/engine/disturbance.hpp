// sim/engine/disturbance.hpp
//
// What goes wrong in a step: GPUs that are slower than others, kernels that do not always take the same time,
// links and GPUs that change or fail at some moment. All of it is deterministic: jitter is a hash of seed and
// task, not of the order in which an engine comes by.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

/// A GPU whose kernels last `slowdown` times as long, all through the step.
struct Straggler {
    std::uint32_t device = 0;
    double slowdown = 1;  ///< > 0
};

/// Each kernel's time is multiplied by exp(s z - s^2 / 2), z a standard normal of its own: mean 1,
/// coefficient of variation about s.
struct Jitter {
    double deviation = 0;  ///< s; 0: none
    std::uint64_t seed = 1;
};

/// From `at_s` on a link has `factor` of its nominal bandwidth; 0: it is cut.
struct LinkFault {
    std::uint32_t link = 0;  ///< number in the network
    double at_s = 0;
    double factor = 1;
};

/// From `at_s` on the kernels of a device last `slowdown` times as long as nominally (a straggler's own
/// factor counts besides); infinity: it has failed.
struct DeviceFault {
    std::uint32_t device = 0;
    double at_s = 0;
    double slowdown = std::numeric_limits<double>::infinity();
};

struct Disturbances {
    std::vector<Straggler> stragglers;
    Jitter jitter;
    std::vector<LinkFault> link_faults;
    std::vector<DeviceFault> device_faults;

    /// Kernels that differ from rank to rank: the ranks can then not be folded.
    [[nodiscard]] bool kernels() const { return !stragglers.empty() || jitter.deviation > 0; }
    [[nodiscard]] bool faults() const { return !link_faults.empty() || !device_faults.empty(); }
    [[nodiscard]] bool any() const { return kernels() || faults(); }
};

/// How much longer a rank's kernels last.
class KernelDelay {
  public:
    KernelDelay(const Program& program, const Disturbances& disturbances);

    [[nodiscard]] bool any() const { return deviation > 0 || !slowdown.empty(); }
    /// Seconds added to a kernel that takes `duration_s` on an undisturbed GPU.
    [[nodiscard]] double added_s(std::uint32_t rank, std::uint64_t global_task, double duration_s) const;

  private:
    std::vector<double> slowdown;  ///< [rank]; empty: 1 for all
    double deviation = 0;
    std::uint64_t seed = 0;
};

/// The same of every task of the program, as `replay` takes it (engine.hpp): 0 for all but kernels. Empty
/// when there is nothing to add.
std::vector<double> kernel_stretch(const Program& program, const WorkCosts& costs,
                                   const Disturbances& disturbances);

}  // namespace orrery::sim
