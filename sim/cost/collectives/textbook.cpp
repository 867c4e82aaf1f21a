// sim/cost/collectives/textbook.cpp
//
// The algorithms of the literature that NCCL does not choose by itself, step by step: each step costs a hop
// and its bytes over the slower of a GPU's link and, for the members of a node that send between nodes in it,
// their node's NICs. Members are taken to fill their nodes one after the other; of a group that has more on
// one node than on another some pair is taken to leave its node at every distance. Software's share comes
// from the calibration's point-to-point figures. The messages of each are in sim/engine/collective_steps.
//
//   halving-doubling   Thakur, Rabenseifner and Gropp 2005; Rabenseifner 2004 for other than powers of two:
//                      2 lg p' hops and 2 (p' - 1)/p' of the buffer (all-reduce), half of both for each half
//   bruck              Bruck et al. 1997: ceil(lg n) rounds; in round k the blocks with bit k in their way
//   pairwise           Thakur et al. 2005: n - 1 rounds of bytes / n
//   dissemination      Hensgen, Finkel and Manber 1988: ceil(lg n) hops
//   hierarchical       Cho et al. 2019 (all-reduce and its halves); Tutel, Hwang et al. 2023 (all-to-all)
//   relay              PXN (NVIDIA 2022): inside and between side by side, after the first part was relayed
//   sharp              Graham et al. 2016: a NIC carries each part of the buffer once
#include <algorithm>
#include <bit>

#include "sim/cost/collectives/algorithm.hpp"

namespace orrery::sim {
namespace {

/// A group's links under one protocol.
struct Paths {
    Paths(const GroupPlacement& g, Protocol protocol, const CollectiveCalibration& c) : group(g) {
        const ProtocolCalibration& p = c.of(c.direct, protocol);
        link = g.link_bandwidth * c.link_efficiency * p.link_share;
        network = g.network_bandwidth * g.pairwise_share * c.network_efficiency * p.network_share;
        link_hop = g.link_latency_s + p.link_step_s;
        network_hop = g.network_latency_s + p.network_step_s;
        start = start_s(p.start_s, g, c);
    }

    /// All members send `bytes` to the one `distance` places further.
    [[nodiscard]] double shift(int distance, double bytes) const {
        const int r = group.most_per_node;
        const int stay = std::max(0, r - distance) + std::max(0, r - (group.ranks - distance));
        return step(stay > 0, !group.one_node() && stay < r, bytes);
    }
    /// Members in pairs that lie `distance`, a power of two, apart exchange `bytes`.
    [[nodiscard]] double swap(int distance, double bytes) const {
        const bool even = group.least_per_node == group.most_per_node;
        const bool leave = !group.one_node() && (!even || group.most_per_node % (2 * distance) != 0);
        return step(distance < group.most_per_node, leave, bytes);
    }
    /// Some stay in the node, some leave it, each over its own share of the NICs.
    [[nodiscard]] double step(bool stay, bool leave, double bytes) const {
        return std::max(stay ? inside(bytes) : 0, leave ? between(bytes) : 0);
    }
    /// The node's members each exchange `bytes` with members of other nodes.
    [[nodiscard]] double between(double bytes) const {
        return network_hop + group.sharing_members * bytes / network;
    }
    [[nodiscard]] double inside(double bytes) const { return link_hop + bytes / link; }

    const GroupPlacement& group;
    double link = 0;
    double network = 0;  ///< of one node
    double link_hop = 0;
    double network_hop = 0;
    double start = 0;
};

/// Which halves of an all-reduce a collective is.
struct Halves {
    explicit Halves(CollectiveKind kind) {
        const bool both = kind == CollectiveKind::all_reduce || kind == CollectiveKind::barrier;
        scatter = both || kind == CollectiveKind::reduce_scatter;
        gather = both || kind == CollectiveKind::all_gather;
    }
    [[nodiscard]] int count() const { return (scatter ? 1 : 0) + (gather ? 1 : 0); }
    bool scatter;
    bool gather;
};

bool grid(const GroupPlacement& group) {
    return !group.one_node() && group.least_per_node == group.most_per_node && group.most_per_node > 1;
}

bool exchange(CollectiveKind kind) {
    return kind == CollectiveKind::all_to_all;
}

}  // namespace

std::optional<double> halving_doubling_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                            Protocol protocol, const CollectiveCalibration& calibration) {
    const Halves halves(kind);
    if (halves.count() == 0 || protocol == Protocol::ll128) return std::nullopt;
    const Paths paths(group, protocol, calibration);
    const int power = static_cast<int>(std::bit_floor(static_cast<unsigned>(group.ranks)));
    const int extra = group.ranks - power;  // that many of the power's members own two blocks
    const double block = bytes / group.ranks;
    double time = paths.start;
    for (int distance = 1; distance < power; distance *= 2)
        time += halves.count() * paths.swap(distance, block * (distance + std::min(distance, extra)));
    if (extra == 0) return time;
    return time + paths.swap(1, halves.scatter ? bytes : block) +
           paths.swap(1, halves.gather ? bytes : block);
}

std::optional<double> bruck_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration) {
    if (!(exchange(kind) || kind == CollectiveKind::all_gather) || protocol == Protocol::ll128)
        return std::nullopt;
    const Paths paths(group, protocol, calibration);
    double time = paths.start;
    for (int step = 1; step < group.ranks; step *= 2) {
        int blocks = std::min(step, group.ranks - step);
        if (exchange(kind)) {
            blocks = 0;
            for (int way = step; way < group.ranks; ++way) blocks += (way & step) != 0 ? 1 : 0;
        }
        time += paths.shift(step, bytes / group.ranks * blocks);
    }
    return time;
}

std::optional<double> pairwise_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                    Protocol protocol, const CollectiveCalibration& calibration) {
    if (!(exchange(kind) || kind == CollectiveKind::reduce_scatter) || protocol == Protocol::ll128)
        return std::nullopt;
    const Paths paths(group, protocol, calibration);
    const double block = bytes / group.ranks;
    const int peers = group.least_per_node - 1;  // in the node; the others' rounds all leave it
    const double inside = peers * paths.inside(block);
    if (group.one_node()) return paths.start + inside;
    return paths.start + (peers > 0 ? inside : 0) + (group.ranks - 1 - peers) * paths.between(block);
}

std::optional<double> dissemination_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                         Protocol protocol, const CollectiveCalibration& calibration) {
    if (kind != CollectiveKind::barrier || protocol == Protocol::ll128) return std::nullopt;
    const Paths paths(group, protocol, calibration);
    double time = paths.start;
    for (int distance = 1; distance < group.ranks; distance *= 2) time += paths.shift(distance, bytes);
    return time;
}

std::optional<double> hierarchical_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                        Protocol protocol, const CollectiveCalibration& calibration) {
    const Halves halves(kind);
    if (!grid(group) || protocol == Protocol::ll128 || !(halves.count() > 0 || exchange(kind)))
        return std::nullopt;
    const Paths paths(group, protocol, calibration);
    const double r = group.most_per_node;
    const double nodes = group.nodes;
    if (exchange(kind))
        return paths.start + paths.inside((r - 1) / r * bytes) + paths.between((nodes - 1) / nodes * bytes);
    return paths.start + halves.count() * ((r - 1) * paths.inside(bytes / r) +
                                           (nodes - 1) * paths.between(bytes / r / nodes));
}

std::optional<double> relay_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration) {
    if (!grid(group) || protocol == Protocol::ll128 || !exchange(kind)) return std::nullopt;
    const Paths paths(group, protocol, calibration);
    const double r = group.most_per_node;
    const double block = bytes / group.ranks;
    const double inside = (r - 1) * group.nodes * block / paths.link;
    const double first = (r - 1) * block / paths.link;
    const double between = r * (group.ranks - r) * block / paths.network;
    return paths.start + paths.link_hop + paths.network_hop + std::max(inside, first + between);
}

std::optional<double> sharp_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration) {
    if (kind != CollectiveKind::all_reduce || group.one_node() || protocol == Protocol::ll128 ||
        group.least_per_node != group.most_per_node)
        return std::nullopt;
    const Paths paths(group, protocol, calibration);
    constexpr double pieces = 8;  // of each part; the first one of the slower side fills the pipeline
    const double r = group.most_per_node;
    const double inside = 2 * (r - 1) / r * bytes / paths.link;
    const double between = bytes / paths.network;
    return paths.start + (r > 1 ? 2 * paths.link_hop : 0) + 2 * paths.network_hop +
           std::max(inside, between) + std::min(inside, between) / pieces;
}

}  // namespace orrery::sim
