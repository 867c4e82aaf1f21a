#include "study/kind_prices.hpp"

#include <algorithm>

#include "sim/cost/gemm_cost.hpp"
#include "study/collective_choice.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {

sim::KindKernels kernels_of(const Experiment& experiment) {
    if (experiment.kind_calibrations.empty()) return {shared_calibration(experiment.calibration)};
    sim::KindKernels all;
    for (const std::string& name : experiment.kind_calibrations) all.push_back(shared_calibration(name));
    return all;
}

sim::KindCollectives collectives_by_kind(const Experiment& experiment) {
    sim::KindCollectives all;
    for (std::size_t kind = 0; kind < experiment.cluster.kinds(); ++kind)
        all.push_back(collectives_of(experiment, kind));
    return all;
}

sim::Prices prices_of(const Experiment& experiment, const sim::Program& program) {
    return sim::price(program, kernels_of(experiment), collectives_by_kind(experiment), experiment.cluster);
}

double mean_peak_flops(const Experiment& experiment) {
    const topologies::Cluster& cluster = experiment.cluster;
    const auto peak = [&](const topologies::Node& node) {
        return sim::gemm_device(node.gpu, experiment.plan.training.precision).peak_flops;
    };
    if (!cluster.mixed()) return peak(cluster.kind(0));
    double sum = 0;
    for (const topologies::NodeGroup& group : cluster.groups)
        sum += peak(group.node) * group.node.gpus * group.nodes;
    return sum / cluster.devices();
}

double memory_of(const topologies::Cluster& cluster, std::uint32_t device) {
    return cluster.kind(cluster.kind_index(device)).gpu.memory_bytes;
}

std::size_t fullest_rank(const topologies::Cluster& cluster, const sim::Program& program,
                         const sim::ClusterMemory& memory) {
    if (!cluster.mixed()) return memory.peak_rank();
    const auto filled = [&](std::size_t rank) {
        return memory.per_rank[rank].peak_bytes / memory_of(cluster, program.ranks[rank].device);
    };
    std::size_t fullest = 0;
    for (std::size_t rank = 1; rank < memory.per_rank.size(); ++rank)
        if (filled(rank) > filled(fullest)) fullest = rank;
    return fullest;
}

std::string calibration_names(const Experiment& experiment) {
    std::vector<std::string> names = experiment.kind_calibrations;
    if (names.empty()) names.push_back(experiment.calibration);
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) ==
            names.begin() + static_cast<std::ptrdiff_t>(i))
            text += (text.empty() ? "" : " + ") + names[i];
    return text;
}

}  // namespace orrery::study
