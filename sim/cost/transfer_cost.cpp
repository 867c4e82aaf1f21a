#include "sim/cost/transfer_cost.hpp"

#include <algorithm>

namespace orrery::sim {
namespace {

TransferCost transfer_of(const Collective& work, const Program& program, const KindCollectives& collectives,
                         const topologies::Cluster& cluster) {
    const CollectiveCost cost = price_on_kinds(work, program, collectives, cluster);
    TransferCost transfer;
    transfer.algorithm = cost.algorithm;
    if (cost.algorithm.empty() || work.kind == CollectiveKind::barrier) return transfer;
    const CollectiveChoice same{cost.algorithm, cost.protocol};
    const double fixed_s = price_on_kinds(work, program, collectives, cluster, same, 0).time_s;
    transfer.transfer_s = std::max(0.0, cost.time_s - fixed_s);
    double node_efficiency = 1;
    double network_efficiency = 1;
    for (const std::size_t kind : kinds_of(program.groups[work.group].devices, cluster)) {
        const CollectiveCalibration& one = of_kind(collectives, kind);
        node_efficiency = std::min(node_efficiency, one.link_efficiency);
        network_efficiency = std::min(network_efficiency, one.network_efficiency);
    }
    transfer.node_wire = wire_bytes(cost.protocol) / node_efficiency;
    transfer.network_wire = wire_bytes(cost.protocol) / network_efficiency;
    return transfer;
}

}  // namespace

TransferCosts price_transfers(const Program& program, const KindCollectives& collectives,
                              const topologies::Cluster& cluster) {
    TransferCosts transfers(program.works.size());
    for (std::size_t w = 0; w < program.works.size(); ++w) {
        if (const auto* collective = std::get_if<Collective>(&program.works[w]))
            transfers[w] = transfer_of(*collective, program, collectives, cluster);
        else if (const auto* copy = std::get_if<Copy>(&program.works[w]))
            transfers[w].transfer_s = copy->bytes / cluster.kind(copy->node_kind).pcie_bandwidth;
    }
    return transfers;
}

TransferCosts price_transfers(const Program& program, const CollectiveCalibration& collectives,
                              const topologies::Cluster& cluster) {
    // Not owned: the caller's outlives the call.
    const std::shared_ptr<const CollectiveCalibration> one(std::shared_ptr<void>(), &collectives);
    return price_transfers(program, KindCollectives{one}, cluster);
}

}  // namespace orrery::sim
