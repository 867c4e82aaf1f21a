// sim/cost/collective_cost.hpp
//
// How long a collective takes on its group: by algorithm, protocol, placement and size, from a calibration.
#pragma once

#include <span>
#include <string>

#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

struct CollectiveCalibration;

/// The chosen way and its time.
struct CollectiveCost {
    double time_s = 0;
    std::string algorithm;  ///< "ring", "tree", "hierarchical", "direct", ...
    std::string protocol;   ///< "LL", "LL128", "Simple"
};

/// Time of `kind` over `devices` (global device numbers; their nodes decide the links used). `bytes` as in
/// sim/program.hpp's Collective. Zero for a group of one.
CollectiveCost price_collective(CollectiveKind kind, double bytes, std::span<const std::uint32_t> devices,
                                const topologies::Cluster& cluster, const CollectiveCalibration& calibration);

}  // namespace orrery::sim
