#include "sim/cost/transfer_cost.hpp"

#include <algorithm>

#include "sim/cost/collective_cost.hpp"

namespace orrery::sim {
namespace {

/// The price of the work with its bytes multiplied by `part`, which is 1 or 0.
CollectiveCost price_part(const Collective& work, double part, const Program& program,
                          const CollectiveCalibration& collectives, const topologies::Cluster& cluster,
                          const CollectiveChoice& choice) {
    const std::vector<std::uint32_t>& devices = program.groups[work.group].devices;
    if (work.kind != CollectiveKind::all_to_all_v)
        return price_collective(work.kind, part * work.bytes, devices, cluster, collectives, choice);
    TrafficMatrix matrix = program.matrices.at(work.matrix);
    // Nearly nothing rather than nothing: members that exchange nothing would cost no latency either.
    if (part == 0)
        for (double& bytes : matrix.bytes) bytes *= 1e-15;
    return price_all_to_all_v(matrix, devices, cluster, collectives, choice);
}

TransferCost transfer_of(const Collective& work, const Program& program,
                         const CollectiveCalibration& collectives, const topologies::Cluster& cluster) {
    const CollectiveCost cost = price_part(work, 1, program, collectives, cluster, {});
    TransferCost transfer;
    transfer.algorithm = cost.algorithm;
    if (cost.algorithm.empty() || work.kind == CollectiveKind::barrier) return transfer;
    const CollectiveChoice same{cost.algorithm, cost.protocol};
    const double fixed_s = price_part(work, 0, program, collectives, cluster, same).time_s;
    transfer.transfer_s = std::max(0.0, cost.time_s - fixed_s);
    transfer.node_wire = wire_bytes(cost.protocol) / collectives.link_efficiency;
    transfer.network_wire = wire_bytes(cost.protocol) / collectives.network_efficiency;
    return transfer;
}

}  // namespace

TransferCosts price_transfers(const Program& program, const CollectiveCalibration& collectives,
                              const topologies::Cluster& cluster) {
    TransferCosts transfers(program.works.size());
    for (std::size_t w = 0; w < program.works.size(); ++w) {
        if (const auto* collective = std::get_if<Collective>(&program.works[w]))
            transfers[w] = transfer_of(*collective, program, collectives, cluster);
        else if (const auto* copy = std::get_if<Copy>(&program.works[w]))
            transfers[w].transfer_s = copy->bytes / cluster.node.pcie_bandwidth;
    }
    return transfers;
}

}  // namespace orrery::sim
