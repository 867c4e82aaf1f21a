// sim/cost/transfer_cost.hpp
//
// What an engine that shares links needs to know of a work beside its WorkCost: which part of the duration
// moves bytes, by which algorithm, and how many bytes on the wire carry one of the payload.
//
// A communication's duration is latency and software (fixed) plus bytes over a bandwidth (transfer); the
// models of sim/cost/collectives are sums of these, so the fixed part is their price of no bytes under the
// same algorithm and protocol. Only the transfer takes longer where links are shared.
//
// Bytes on the wire. NCCL's LL sends 4 bytes of flag with 4 of data, LL128 8 with 120 (sim/cost/
// collective_calibration.hpp); and of a link's bandwidth a large message reaches the calibration's
// link_efficiency (inside nodes) or network_efficiency (between them), the rest being headers, credits and
// fences. A transfer so fills its link at the calibrated speed, and two that share it get half of that each.
#pragma once

#include <string>
#include <vector>

#include "sim/cost/kind_calibrations.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

struct TransferCost {
    double transfer_s = 0;    ///< of duration_s, the part that moves bytes; 0: nothing to share
    std::string algorithm;    ///< as in CollectiveCost; empty of kernels, copies and groups of one
    double node_wire = 1;     ///< bytes on the wire for one of payload, inside a node
    double network_wire = 1;  ///< the same between nodes
};

/// Indexed by WorkId.
using TransferCosts = std::vector<TransferCost>;

/// Of every work of the program; goes with `price` of the same arguments. Throws as price_collective does.
TransferCosts price_transfers(const Program& program, const KindCollectives& collectives,
                              const topologies::Cluster& cluster);

/// The same with one calibration for all kinds of nodes.
TransferCosts price_transfers(const Program& program, const CollectiveCalibration& collectives,
                              const topologies::Cluster& cluster);

}  // namespace orrery::sim
