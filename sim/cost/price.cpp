#include "sim/cost/price.hpp"

#include <set>

#include "sim/cost/kernel_cost.hpp"

namespace orrery::sim {
namespace {

CollectiveCost choose(const Collective& work, const Program& program,
                      const CollectiveCalibration& collectives, const topologies::Cluster& cluster) {
    const std::vector<std::uint32_t>& devices = program.groups[work.group].devices;
    return work.kind == CollectiveKind::all_to_all_v
               ? price_all_to_all_v(program.matrices.at(work.matrix), devices, cluster, collectives)
               : price_collective(work.kind, work.bytes, devices, cluster, collectives);
}

WorkCost price_chosen(const Collective& work, const CollectiveCost& chosen, const Calibration& kernels) {
    WorkCost cost;
    cost.duration_s = chosen.time_s;
    const HostTime& call =
        work.kind == CollectiveKind::send_recv ? kernels.host.point_to_point : kernels.host.collective;
    cost.launch_s = work.host_operations * call.seconds;
    cost.issue_to_end_s = cost.launch_s + cost.duration_s;
    return cost;
}

WorkCost price_copy(const Copy& copy, const Calibration& kernels, const topologies::Cluster& cluster) {
    WorkCost cost;
    cost.duration_s = cluster.node.pcie_latency_s + copy.bytes / cluster.node.pcie_bandwidth;
    cost.launch_s = kernels.host.forward_operator.seconds;
    cost.issue_to_end_s = cost.launch_s + cost.duration_s;
    return cost;
}

}  // namespace

Prices price(const Program& program, const Calibration& kernels, const CollectiveCalibration& collectives,
             const topologies::Cluster& cluster) {
    Prices prices;
    prices.costs.reserve(program.works.size());
    prices.chosen.resize(program.works.size());
    std::set<std::string> notes;
    for (const Work& work : program.works) {
        if (const auto* sequence = std::get_if<KernelSequence>(&work)) {
            prices.costs.push_back(price_sequence(*sequence, kernels, cluster.node.gpu, &notes));
        } else if (const auto* collective = std::get_if<Collective>(&work)) {
            prices.chosen[prices.costs.size()] = choose(*collective, program, collectives, cluster);
            prices.costs.push_back(price_chosen(*collective, prices.chosen[prices.costs.size()], kernels));
        } else {
            prices.costs.push_back(price_copy(std::get<Copy>(work), kernels, cluster));
        }
    }
    prices.notes.assign(notes.begin(), notes.end());
    return prices;
}

}  // namespace orrery::sim
