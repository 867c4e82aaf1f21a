#include "sim/cost/collective_cost.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/collectives/algorithm.hpp"
#include "sim/cost/collectives/all_to_all_v.hpp"

namespace orrery::sim {
namespace {

constexpr std::array kAlgorithms{
    CollectiveAlgorithm{"ring", true, ring_time},
    CollectiveAlgorithm{"tree", true, tree_time},
    CollectiveAlgorithm{"nvls", true, nvls_time},
    CollectiveAlgorithm{"nvls-tree", true, nvls_tree_time},
    CollectiveAlgorithm{"direct", true, direct_time},
    CollectiveAlgorithm{"direct", false, grouped_time},
    CollectiveAlgorithm{"pairwise", false, pairwise_time},
    CollectiveAlgorithm{"halving-doubling", false, halving_doubling_time},
    CollectiveAlgorithm{"bruck", false, bruck_time},
    CollectiveAlgorithm{"dissemination", false, dissemination_time},
    CollectiveAlgorithm{"hierarchical", false, hierarchical_time},
    CollectiveAlgorithm{"relay", false, relay_time},
    CollectiveAlgorithm{"sharp", false, sharp_time},
};

constexpr std::array kKinds{
    CollectiveKind::all_reduce,   CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
    CollectiveKind::broadcast,    CollectiveKind::reduce,     CollectiveKind::all_to_all,
    CollectiveKind::all_to_all_v, CollectiveKind::gather,     CollectiveKind::scatter,
    CollectiveKind::send_recv,    CollectiveKind::barrier,
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

/// The caller's choice, and where it leaves something open, what the job forces.
CollectiveChoice completed(CollectiveChoice choice, CollectiveKind kind, const ForcedCollectives& all) {
    const ForcedCollective& forced = forced_for(all, kind);
    if (choice.algorithm.empty()) choice.algorithm = forced.algorithm;
    if (choice.protocol.empty()) choice.protocol = forced.protocol;
    check_names(choice);
    return choice;
}

/// "nvls LL does not do all-gather on 8 ranks of 2 nodes; expected ring Simple, ...".
[[noreturn]] void refuse(const CollectiveChoice& choice, CollectiveKind kind, const GroupPlacement& group,
                         const std::vector<std::string>& able) {
    throw InputError(
        {}, fmt::format("collectives.{}", to_string(kind)),
        fmt::format("{}{}{} does not do {} on {} ranks of {} node{}; expected one of {}", choice.algorithm,
                    choice.algorithm.empty() || choice.protocol.empty() ? "" : " ", choice.protocol,
                    to_string(kind), group.ranks, group.nodes, group.nodes == 1 ? "" : "s",
                    fmt::join(able, ", ")));
}

/// Algorithms that do it here under some protocol, or all of their protocols where one is asked for.
std::vector<std::string> able_to(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 const CollectiveCalibration& calibration) {
    std::vector<std::string> able;
    for (const CollectiveAlgorithm& algorithm : kAlgorithms) {
        std::string protocols;
        for (const Protocol protocol : kProtocols)
            if (algorithm.time(kind, bytes, group, protocol, calibration))
                protocols += fmt::format("{}{}", protocols.empty() ? "" : " or ", to_string(protocol));
        if (!protocols.empty()) able.push_back(fmt::format("{} ({})", algorithm.name, protocols));
    }
    return able;
}

}  // namespace

std::span<const CollectiveAlgorithm> collective_algorithms() {
    return kAlgorithms;
}

CollectiveCost price_placed(CollectiveKind kind, double bytes, const GroupPlacement& group,
                            const CollectiveCalibration& calibration, const CollectiveChoice& asked) {
    const CollectiveChoice choice = completed(asked, kind, calibration.forced);
    if (group.ranks < 2) return {};
    check_links(kind, group);
    constexpr double barrier_bytes = 4;  // NCCL users' barrier: an all-reduce of one element
    const double size = kind == CollectiveKind::barrier ? barrier_bytes : bytes;

    const CollectiveAlgorithm* fastest = nullptr;
    Protocol fastest_protocol = Protocol::simple;
    double least = 0;
    for (const CollectiveAlgorithm& algorithm : kAlgorithms) {
        if (choice.algorithm.empty() ? !algorithm.nccl : algorithm.name != choice.algorithm) continue;
        for (const Protocol protocol : kProtocols) {
            if (!choice.protocol.empty() && to_string(protocol) != choice.protocol) continue;
            const auto time = algorithm.time(kind, size, group, protocol, calibration);
            if (!time || (fastest && *time >= least)) continue;
            fastest = &algorithm;
            fastest_protocol = protocol;
            least = *time;
        }
    }
    if (!fastest) refuse(choice, kind, group, able_to(kind, size, group, calibration));
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

CollectiveCost price_all_to_all_v(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices,
                                  const topologies::Cluster& cluster,
                                  const CollectiveCalibration& calibration, const CollectiveChoice& asked) {
    const CollectiveChoice choice = completed(asked, CollectiveKind::all_to_all_v, calibration.forced);
    if (matrix.members != devices.size())
        throw SimulationError("an all-to-all-v of " + std::to_string(matrix.members) + " members on " +
                              std::to_string(devices.size()) + " devices");
    const GroupPlacement group = place_group(devices, cluster, choice.sharing_groups);
    if (group.ranks < 2) return {};
    check_links(CollectiveKind::all_to_all_v, group);
    CollectiveCost least;
    for (const Protocol protocol : kProtocols) {
        if (!choice.protocol.empty() && to_string(protocol) != choice.protocol) continue;
        if (!choice.algorithm.empty() && choice.algorithm != "direct") continue;
        const auto time = all_to_all_v_time(matrix, devices, cluster, group, protocol, calibration);
        if (!time || (!least.algorithm.empty() && *time >= least.time_s)) continue;
        least = {*time, "direct", std::string(to_string(protocol))};
    }
    if (least.algorithm.empty())
        refuse(choice, CollectiveKind::all_to_all_v, group, {"direct (LL or Simple)"});
    return least;
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
        case CollectiveKind::all_to_all_v:
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
    const double nodes = group.nodes;
    const double r = group.most_per_node;
    const bool exchange = kind == CollectiveKind::all_to_all || kind == CollectiveKind::all_to_all_v;
    const bool chain = kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce;
    const bool rooted = chain || kind == CollectiveKind::gather || kind == CollectiveKind::scatter;
    const double passes = kind == CollectiveKind::all_reduce || kind == CollectiveKind::barrier ? 2 : 1;
    const double power = std::bit_floor(static_cast<unsigned>(group.ranks));
    const double rounds = std::bit_width(static_cast<unsigned>(group.ranks - 1));
    if (algorithm == "ring") return chain ? n - 1 : passes * (n - 1) * n;
    if (algorithm == "tree") return 2 * 2 * (n - 1);  // two trees, up and down
    if (algorithm == "nvls") return 2 * n;            // each rank's part, read and written
    if (algorithm == "nvls-tree") return 2 * n + 2 * 2 * (nodes - 1) * r;
    if (algorithm == "halving-doubling") return passes * power * std::log2(power) + 2 * (n - power);
    if (algorithm == "bruck" || algorithm == "dissemination") return n * rounds;
    if (algorithm == "hierarchical") return n * (exchange ? 1 : passes) * (r - 1 + nodes - 1);
    if (algorithm == "relay") return n * ((r - 1) * nodes + nodes - 1);
    if (algorithm == "sharp") return n * 2 * r;  // parts to their owners and back, and through the network
    if (kind == CollectiveKind::send_recv) return 1;
    return rooted ? n - 1 : passes * n * (n - 1);  // direct, pairwise
}

std::vector<std::string> collective_algorithm_names() {
    std::vector<std::string> names;
    names.reserve(kAlgorithms.size());
    for (const CollectiveAlgorithm& algorithm : kAlgorithms)
        if (names.empty() || names.back() != algorithm.name) names.emplace_back(algorithm.name);
    return names;
}

std::span<const CollectiveKind> collective_kinds() {
    return kKinds;
}

std::vector<std::string> algorithms_of(CollectiveKind kind) {
    if (kind == CollectiveKind::all_to_all_v) return {"direct"};
    CollectiveCalibration calibration = ideal_collectives();
    calibration.nvls.available = true;
    const auto shape = [](int nodes, int each) {
        GroupPlacement group;
        group.ranks = nodes * each;
        group.nodes = nodes;
        group.least_per_node = group.most_per_node = group.root_members = each;
        group.sharing_members = each;
        group.link_bandwidth = group.network_bandwidth = 1;
        return group;
    };
    std::vector<std::string> names;
    for (const CollectiveAlgorithm& algorithm : kAlgorithms) {
        if (!names.empty() && names.back() == algorithm.name) continue;
        bool able = false;
        for (const GroupPlacement& group : {shape(1, 2), shape(2, 2), shape(1, 4), shape(2, 4)})
            able = able || (algorithm.time(kind, 1, group, Protocol::simple, calibration) &&
                            (kind != CollectiveKind::send_recv || group.ranks == 2));
        if (able) names.emplace_back(algorithm.name);
    }
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
