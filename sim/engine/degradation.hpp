// sim/engine/degradation.hpp
//
// The degraded parts of a cluster (topologies/cluster.hpp) as the disturbances that the engines take.
#pragma once

#include "sim/engine/disturbance.hpp"
#include "sim/engine/network.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// A cable's two links get its factor at its time. A GPU that is slow from the beginning is a straggler, one
/// that turns slow or fails later a device fault. Throws ExperimentError where the network has no such cable.
Disturbances disturbances_of(const topologies::Cluster& cluster, const Network& network);

}  // namespace orrery::sim
