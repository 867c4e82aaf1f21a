#include "sim/cost/work_cost.hpp"

#include <algorithm>

namespace orrery::sim {

WorkCost sequence_cost(std::span<const KernelTime> kernels) {
    WorkCost cost;
    for (const KernelTime& kernel : kernels) {
        cost.launch_s += kernel.launch_s;
        cost.duration_s += kernel.duration_s;
        // The kernel ends after those before it (on the device) and after its own launch, whichever is later.
        cost.issue_to_end_s = std::max(cost.issue_to_end_s, cost.launch_s) + kernel.duration_s;
    }
    return cost;
}

}  // namespace orrery::sim
