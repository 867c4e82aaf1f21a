// study/kind_prices.hpp
//
// The calibrations that an experiment's cluster is priced by, kind of node by kind of node, and its prices.
#pragma once

#include <string>

#include "sim/cost/kind_calibrations.hpp"
#include "sim/cost/price.hpp"
#include "sim/metrics/memory.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// [Cluster::kind]; one entry where one goes for all. Throw InputError when a file is not as it must be.
sim::KindKernels kernels_of(const Experiment& experiment);
sim::KindCollectives collectives_by_kind(const Experiment& experiment);

/// sim::price with these. Throws as it does.
sim::Prices prices_of(const Experiment& experiment, const sim::Program& program);

/// Peak of a GPU in the experiment's precision, mean over the cluster's GPUs: FLOP/s.
double mean_peak_flops(const Experiment& experiment);

/// Capacity of a device's memory: bytes.
double memory_of(const topologies::Cluster& cluster, std::uint32_t device);

/// The simulated rank that fills most of its GPU's memory (on one kind of GPU: the one with the largest
/// peak), the first of equals; an index into `memory.per_rank`.
std::size_t fullest_rank(const topologies::Cluster& cluster, const sim::Program& program,
                         const sim::ClusterMemory& memory);

/// The kernels' calibrations by name: "a100-sxm-80g", of several kinds "a100-sxm-80g + h100-sxm-80g".
std::string calibration_names(const Experiment& experiment);

}  // namespace orrery::study
