// sim/cost/price.hpp
//
// The price of every work of a program on a cluster: kernels from the GPU's calibration, collectives and
// transfers from the node's collective calibration, copies from the PCIe link.
#pragma once

#include <string>
#include <vector>

#include "sim/cost/calibration.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/cost/kind_calibrations.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

struct Prices {
    WorkCosts costs;
    /// [work] how each collective is carried out; of other works, and of groups of one, without an algorithm.
    std::vector<CollectiveCost> chosen;
    /// What lies outside the calibrations' range, once each: "attention head size 80 priced as 64".
    std::vector<std::string> notes;
};

/// Kernels and copies by the kind of node that they name, collectives by the kinds that they join. What the
/// host pays for a collective is that of the slowest kind's. Throws as price_collective does.
Prices price(const Program& program, const KindKernels& kernels, const KindCollectives& collectives,
             const topologies::Cluster& cluster);

/// The same with one calibration for all kinds.
Prices price(const Program& program, const Calibration& kernels, const CollectiveCalibration& collectives,
             const topologies::Cluster& cluster);

}  // namespace orrery::sim
