// sim/cost/kernel_cost.hpp
//
// The price of one kernel on one GPU: its device time from the calibration's models, and the host time to
// issue it.
#pragma once

#include <set>
#include <string>

#include "sim/cost/calibration.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

struct KernelPrice {
    double device_s = 0;
    double host_s = 0;
    /// The kernel lies outside what the calibration's samples cover; `why` says how ("fp8 GEMM priced with
    /// bf16's shape dependence").
    bool extrapolated = false;
    std::string why;
};

/// Price of one kernel. Throws ExperimentError when the calibration has no model at all for its kind.
KernelPrice price_kernel(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu);

/// Device seconds only.
double kernel_time(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu);

/// Host seconds to issue the kernel: its operators times the cost of one, by phase.
double host_time(const Kernel& kernel, const Calibration& calibration);

/// The three numbers an engine needs of a sequence issued back to back (sequence_cost in
/// sim/cost/work_cost.hpp). What lies outside the calibration goes into `notes`, where that is given.
WorkCost price_sequence(const KernelSequence& sequence, const Calibration& calibration,
                        const topologies::Gpu& gpu, std::set<std::string>* notes = nullptr);

}  // namespace orrery::sim
