// sim/cost/collectives/all_to_all_v.hpp
//
// The price of an all-to-all-v: each member sends each other one its own number of bytes, all at once (NCCL:
// a group of sends and receives). No link can be done before all that crosses it has crossed, and the fluid
// optimum reaches that bound, so
//   T = start + most peers x peer + slowest hop + max over links (bytes over the link / its bandwidth),
// where the links are each GPU's port into its node, in and out; each NIC, in and out, with the traffic of
// all the members that use it; each leaf's uplinks and downlinks. The same terms as an all-to-all's in
// direct.cpp, which it equals for a uniform matrix (where the fabric is not oversubscribed).
#pragma once

#include <optional>
#include <span>

#include "sim/cost/collective_cost.hpp"

namespace orrery::sim {

/// Seconds of the all-to-all-v of `matrix` over `devices` (in the matrix's order) under `protocol`; LL128
/// does no exchanges. Members that send and receive nothing add nothing.
std::optional<double> all_to_all_v_time(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices,
                                        const topologies::Cluster& cluster, const GroupPlacement& group,
                                        Protocol protocol, const CollectiveCalibration& calibration);

}  // namespace orrery::sim
