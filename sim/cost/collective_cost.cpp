#include "sim/cost/collective_cost.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/collectives/algorithm.hpp"

namespace orrery::sim {
namespace {

constexpr std::array kAlgorithms{
    CollectiveAlgorithm{"ring", ring_time},         CollectiveAlgorithm{"tree", tree_time},
    CollectiveAlgorithm{"nvls", nvls_time},         CollectiveAlgorithm{"nvls-tree", nvls_tree_time},
    CollectiveAlgorithm{"pairwise", pairwise_time}, CollectiveAlgorithm{"direct", direct_time},
};

constexpr std::array kKinds{
    CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
    CollectiveKind::broadcast,  CollectiveKind::reduce,     CollectiveKind::all_to_all,
    CollectiveKind::gather,     CollectiveKind::scatter,    CollectiveKind::send_recv,
    CollectiveKind::barrier,
};

void check_names(const CollectiveChoice& choice) {
    if (choice.algorithm.empty() && choice.protocol.empty()) return;
    const auto algorithms = collective_algorithm_names();
    if (!choice.algorithm.empty() && std::ranges::find(algorithms, choice.algorithm) == algorithms.end())
        throw InputError({}, "algorithm", unknown_name("algorithm", choice.algorithm, algorithms));
    const auto protocols = protocol_names();
    if (!choice.protocol.empty() && std::ranges::find(protocols, choice.protocol) == protocols.end())
        throw InputError({}, "protocol", unknown_name("protocol", choice.protocol, protocols));
}

void check_links(CollectiveKind kind, const GroupPlacement& group) {
    if (kind == CollectiveKind::send_recv && group.ranks != 2)
        throw SimulationError("send-recv takes a group of 2, not of " + std::to_string(group.ranks));
    if (group.most_per_node > 1 && group.link_bandwidth <= 0)
        throw SimulationError("no link joins the GPUs of a node");
    if (!group.one_node() && group.network_bandwidth <= 0) throw SimulationError("the nodes have no NICs");
}

}  // namespace

std::span<const CollectiveAlgorithm> collective_algorithms() {
    return kAlgorithms;
}

CollectiveCost price_placed(CollectiveKind kind, double bytes, const GroupPlacement& group,
                            const CollectiveCalibration& calibration, const CollectiveChoice& choice) {
    check_names(choice);
    if (group.ranks < 2) return {};
    check_links(kind, group);
    constexpr double barrier_bytes = 4;  // NCCL users' barrier: an all-reduce of one element
    const double size = kind == CollectiveKind::barrier ? barrier_bytes : bytes;

    const CollectiveAlgorithm* fastest = nullptr;
    Protocol fastest_protocol = Protocol::simple;
    double least = 0;
    for (const CollectiveAlgorithm& algorithm : kAlgorithms) {
        if (!choice.algorithm.empty() && algorithm.name != choice.algorithm) continue;
        for (const Protocol protocol : kProtocols) {
            if (!choice.protocol.empty() && to_string(protocol) != choice.protocol) continue;
            const auto time = algorithm.time(kind, size, group, protocol, calibration);
            if (!time || (fastest && *time >= least)) continue;
            fastest = &algorithm;
            fastest_protocol = protocol;
            least = *time;
        }
    }
    if (!fastest)
        throw InputError({}, "algorithm",
                         choice.algorithm + " " + choice.protocol + " does not do " +
                             std::string(to_string(kind)) + " on this group");
    return {least, std::string(fastest->name), std::string(to_string(fastest_protocol))};
}

CollectiveCost price_collective(CollectiveKind kind, double bytes, std::span<const std::uint32_t> devices,
                                const topologies::Cluster& cluster, const CollectiveCalibration& calibration,
                                const CollectiveChoice& choice) {
    return price_placed(kind, bytes, place_group(devices, cluster, choice.sharing_groups), calibration,
                        choice);
}

CollectiveCost price_collective(CollectiveKind kind, double bytes, std::span<const std::uint32_t> devices,
                                const topologies::Cluster& cluster,
                                const CollectiveCalibration& calibration) {
    return price_collective(kind, bytes, devices, cluster, calibration, CollectiveChoice{});
}

double bus_bandwidth(CollectiveKind kind, double bytes, int ranks, double time_s) {
    if (time_s <= 0 || ranks < 2) return 0;
    const double part = (ranks - 1.0) / ranks;
    switch (kind) {
        case CollectiveKind::all_reduce:
            return 2 * part * bytes / time_s;
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::all_to_all:
        case CollectiveKind::gather:
        case CollectiveKind::scatter:
            return part * bytes / time_s;
        default:
            return bytes / time_s;
    }
}

double message_count(CollectiveKind kind, std::string_view algorithm, const GroupPlacement& group) {
    const double n = group.ranks;
    if (n < 2) return 0;
    const bool two_passes = kind == CollectiveKind::all_reduce || kind == CollectiveKind::barrier;
    const bool chain = kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce;
    if (algorithm == "ring") return chain ? n - 1 : (two_passes ? 2 : 1) * (n - 1) * n;
    if (algorithm == "tree") return 2 * 2 * (n - 1);  // two trees, up and down
    if (algorithm == "nvls") return 2 * n;            // each rank's part, read and written
    if (algorithm == "nvls-tree") return 2 * n + 2 * 2 * (group.nodes - 1.0) * group.most_per_node;
    if (algorithm == "pairwise") return kind == CollectiveKind::all_to_all ? n * (n - 1) : n - 1;
    return 1;  // direct
}

std::vector<std::string> collective_algorithm_names() {
    std::vector<std::string> names;
    names.reserve(kAlgorithms.size());
    for (const CollectiveAlgorithm& algorithm : kAlgorithms) names.emplace_back(algorithm.name);
    return names;
}

std::vector<std::string> protocol_names() {
    std::vector<std::string> names;
    names.reserve(kProtocols.size());
    for (const Protocol protocol : kProtocols) names.emplace_back(to_string(protocol));
    return names;
}

CollectiveKind parse_collective_kind(std::string_view name) {
    std::vector<std::string> names;
    for (const CollectiveKind kind : kKinds) {
        if (to_string(kind) == name) return kind;
        names.emplace_back(to_string(kind));
    }
    throw InputError({}, "collective", unknown_name("collective", name, names));
}

}  // namespace orrery::sim
