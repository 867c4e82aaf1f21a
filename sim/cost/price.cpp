#include "sim/cost/price.hpp"

#include <algorithm>
#include <memory>
#include <set>

#include "sim/cost/kernel_cost.hpp"

namespace orrery::sim {
namespace {

/// What the host pays for the call, of the kind that pays most.
double call_s(const Collective& work, const KindKernels& kernels, const std::vector<std::size_t>& kinds) {
    double most = 0;
    for (const std::size_t kind : kinds) {
        const HostModel& host = of_kind(kernels, kind).host;
        const HostTime& call = work.kind == CollectiveKind::send_recv ? host.point_to_point : host.collective;
        most = std::max(most, call.seconds);
    }
    return most;
}

WorkCost after_launch(double duration_s, double launch_s) {
    return {duration_s, launch_s, launch_s + duration_s};
}

WorkCost price_copy(const Copy& copy, const KindKernels& kernels, const topologies::Cluster& cluster) {
    const topologies::Node& node = cluster.kind(copy.node_kind);
    return after_launch(node.pcie_latency_s + copy.bytes / node.pcie_bandwidth,
                        of_kind(kernels, copy.node_kind).host.forward_operator.seconds);
}

/// Not owned: the caller's outlives the call.
template <class T>
std::vector<std::shared_ptr<const T>> for_all_kinds(const T& one) {
    return {std::shared_ptr<const T>(std::shared_ptr<void>(), &one)};
}

}  // namespace

Prices price(const Program& program, const KindKernels& kernels, const KindCollectives& collectives,
             const topologies::Cluster& cluster) {
    Prices prices;
    prices.costs.reserve(program.works.size());
    prices.chosen.resize(program.works.size());
    std::set<std::string> notes;
    for (const Work& work : program.works) {
        if (const auto* sequence = std::get_if<KernelSequence>(&work)) {
            const std::size_t kind = sequence->node_kind;
            prices.costs.push_back(
                price_sequence(*sequence, of_kind(kernels, kind), cluster.kind(kind).gpu, &notes));
        } else if (const auto* collective = std::get_if<Collective>(&work)) {
            CollectiveCost& chosen = prices.chosen[prices.costs.size()];
            chosen = price_on_kinds(*collective, program, collectives, cluster);
            const auto kinds = kinds_of(program.groups[collective->group].devices, cluster);
            prices.costs.push_back(after_launch(
                chosen.time_s, collective->host_operations * call_s(*collective, kernels, kinds)));
        } else {
            prices.costs.push_back(price_copy(std::get<Copy>(work), kernels, cluster));
        }
    }
    prices.notes.assign(notes.begin(), notes.end());
    return prices;
}

Prices price(const Program& program, const Calibration& kernels, const CollectiveCalibration& collectives,
             const topologies::Cluster& cluster) {
    return price(program, for_all_kinds(kernels), for_all_kinds(collectives), cluster);
}

}  // namespace orrery::sim
