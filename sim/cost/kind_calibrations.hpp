// sim/cost/kind_calibrations.hpp
//
// By what each kind of node of a cluster is priced, and a collective among nodes of several kinds.
//
// All members run one algorithm under one protocol (NCCL agrees on them among all ranks), over links that are
// as slow as the slowest member's (sim/cost/group_placement.hpp), and wait for the member whose software is
// slowest at it: the price is the most over the kinds, of the algorithm and protocol for which that is least.
// What one kind cannot do (NVLS before Hopper) none does.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "sim/cost/calibration.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// [Cluster::kind]; never null. A single entry goes for all kinds.
using KindKernels = std::vector<std::shared_ptr<const Calibration>>;
using KindCollectives = std::vector<std::shared_ptr<const CollectiveCalibration>>;

/// The calibration of a kind of node.
template <class T>
const T& of_kind(const std::vector<std::shared_ptr<const T>>& all, std::size_t kind) {
    return *all[all.size() == 1 ? 0 : kind];
}

/// Kinds of the nodes that the devices are on, in order, each once.
std::vector<std::size_t> kinds_of(std::span<const std::uint32_t> devices, const topologies::Cluster& cluster);

/// The price of the collective on the group that it names, with its bytes multiplied by `part`, 1 or 0.
/// Throws as price_collective does.
CollectiveCost price_on_kinds(const Collective& work, const Program& program, const KindCollectives& by_kind,
                              const topologies::Cluster& cluster, const CollectiveChoice& choice = {},
                              double part = 1);

}  // namespace orrery::sim
