// sim/cost/work_cost.hpp
//
// What the engines need to know of a work: three times.
//
// A kernel occupies its stream for `duration_s`. The host needs `launch_s` to issue it and all kernels of its
// sequence. For a sequence of kernels with host times l_i and device times d_i issued from host time h on a
// stream free at time s,
//   end = max(s + sum d,  h + max_j (l_1 + .. + l_j + d_j + .. + d_n)),
// so two numbers describe it exactly: `duration_s` = sum d and `issue_to_end_s` = the inner maximum. (Longest
// path through the 2 x n grid of launches and kernels.)
#pragma once

#include <span>
#include <vector>

namespace orrery::sim {

struct WorkCost {
    double duration_s = 0;      ///< device time once started
    double launch_s = 0;        ///< host time to issue it
    double issue_to_end_s = 0;  ///< earliest end, counted from when the host begins to issue it
};

/// One kernel: the host needs `launch_s` to issue it, the device `duration_s` to run it.
struct KernelTime {
    double launch_s = 0;
    double duration_s = 0;
};

/// The price of kernels issued back to back on one stream, by the formula above; all zero for none. A task of
/// this cost and one task per kernel give the same timeline.
WorkCost sequence_cost(std::span<const KernelTime> kernels);

/// Indexed by WorkId.
using WorkCosts = std::vector<WorkCost>;

}  // namespace orrery::sim
