// sim/metrics/metrics.hpp
//
// Where a step's time went. Definitions as in DESIGN.md, made exact here.
//
// Every moment of a rank between the step's begin and end is counted once (the parts of a Breakdown sum to
// the step time). While a compute stream runs a kernel: compute_s, or optimizer_s for tasks of phase
// optimizer. Otherwise the moment lies in a gap before some compute task (or before the end of the step), and
// what that task waited for is followed back through the gap, always to the predecessor (dependency, or
// earlier task of the same stream) that ended last:
//  - while that is a running collective, its time is exposed communication of its stream's kind; a running
//  copy,
//    exposed copy;
//  - between the end of the last predecessor and its own start, a task waited for the host (up to the time it
//  was
//    issued: host_s) or for the other members of its communicator (bubble_s: they were late);
//  - nothing left to wait for: bubble_s.
// A task that runs on because its kernels are launched slower than they run (see WorkCost) counts the surplus
// as host_s.
//
// Pipeline phase: the compute tasks of phases forward, backward, backward-input, backward-weight and
// recompute. Its makespan lasts from the first of them to start to the last to end, over all ranks. The
// busiest rank is the one with the largest compute time in that phase (the first of equals).
//  - bubble_ratio: share of the makespan that is bubble_s on the busiest rank. Exposed communication and host
//  time are
//    not bubble; without both, GPipe and 1F1B give (p-1)/(m+p-1).
//  - bubble_ratio_span (Qi et al. 2023): the same with the longest span of a rank (its first start to its
//  last end)
//    as the whole, and what the busiest rank does in its own span as the busy part.
//  - bubble_overhead: makespan / (makespan - bubble) - 1; (p-1)/m there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

/// Seconds of communication that the compute streams waited for, by the kind of stream it ran on.
struct ExposedCommunication {
    double tp = 0;
    double pp = 0;
    double dp = 0;
    double cp = 0;
    double ep = 0;

    [[nodiscard]] double total() const { return tp + pp + dp + cp + ep; }
};

struct Breakdown {
    double compute_s = 0;
    ExposedCommunication exposed_comm_s;
    double exposed_copy_s = 0;
    double bubble_s = 0;
    double optimizer_s = 0;
    double host_s = 0;

    [[nodiscard]] double total() const {
        return compute_s + exposed_comm_s.total() + exposed_copy_s + bubble_s + optimizer_s + host_s;
    }
};

struct RankMetrics {
    RankId rank;
    std::uint32_t multiplicity = 1;
    std::int32_t pipeline_device = 0;
    Breakdown step;            ///< sums to step_time_s
    Breakdown pipeline;        ///< of the pipeline phase's makespan only; sums to it
    Breakdown span;            ///< from the rank's own first start to its last end in the pipeline phase
    double first_start_s = 0;  ///< of its pipeline phase
    double last_end_s = 0;
};

/// The ranks of one pipeline device, averaged over the real ranks they stand for.
struct StageMetrics {
    std::int32_t pipeline_device = 0;
    std::uint64_t gpus = 0;
    Breakdown mean;
    double most_compute_s = 0;  ///< of its busiest rank
};

struct Metrics {
    double step_time_s = 0;  ///< first start to last end
    double bubble_ratio = 0;
    double bubble_ratio_span = 0;
    double bubble_overhead = 0;
    RankId busiest;
    Breakdown breakdown;     ///< of the busiest rank
    std::uint64_t gpus = 0;  ///< real ranks
    std::vector<RankMetrics> per_rank;
    std::vector<StageMetrics> per_stage;  ///< by pipeline device
};

/// A stretch of the timeline that stands for the whole step.
struct StepWindow {
    double begin_s = 0;
    double end_s = 0;
};

/// `program` must be valid, `timeline` of that program (simulated by any engine, or measured). `costs` are
/// the prices under which it was simulated; only their launch parts are used. O(tasks + dependencies).
/// `window`: the step is that part of the timeline, on all ranks, and the pipeline phase is all of it (a
/// schedule without a flush, in steady state).
Metrics measure(const Program& program, const Timeline& timeline, const WorkCosts& costs,
                std::optional<StepWindow> window = std::nullopt);

/// Share of the peak that was reached: mfu for the model's FLOPs of one step (no recomputation), hfu for the
/// FLOPs that were executed. `flops` of the whole cluster, `peak_flops` of one GPU in the precision. 0 for a
/// step of no time.
double flops_utilization(double flops, double step_time_s, std::uint64_t gpus, double peak_flops);

}  // namespace orrery::sim
