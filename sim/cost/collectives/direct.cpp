// sim/cost/collectives/direct.cpp
//
// Messages from one GPU straight to another.
//   send/recv: T = start + hop + bytes / B, B the link's or, between nodes, the sender's share of the NICs.
//   all-to-all: each rank sends bytes / n to each of the others, all at once; traffic inside the
//   node and between nodes flow side by side,
//     T = start + (n - 1) x peer + slowest hop + max(inside / B_link, between / B_NICs).
//   gather and scatter: the root moves (n - 1)/n of the buffer, over its link and its NIC side by side.
// NCCL carries these out as grouped sends and receives. The same may be forced on (grouped_time)
//   all-gather and reduce-scatter: as all-to-all; all-reduce: both; broadcast and reduce: as scatter and
//   gather of the whole buffer for each member.
#include <algorithm>

#include "sim/cost/collectives/algorithm.hpp"

namespace orrery::sim {
namespace {

struct Bandwidths {
    double link = 0;
    double network = 0;  ///< of one node
};

Bandwidths bandwidths(const GroupPlacement& group, const ProtocolCalibration& p,
                      const CollectiveCalibration& c) {
    return {group.link_bandwidth * c.link_efficiency * p.link_share,
            group.network_bandwidth * group.pairwise_share * c.network_efficiency * p.network_share};
}

double hop_s(const GroupPlacement& group, const ProtocolCalibration& p) {
    return group.one_node()
               ? group.link_latency_s + p.link_step_s
               : std::max(group.link_latency_s + p.link_step_s, group.network_latency_s + p.network_step_s);
}

double exchange_s(double bytes, const GroupPlacement& group, const Bandwidths& b) {
    const double share = bytes / group.ranks;
    const double peers_inside = group.most_per_node - 1;
    const double inside = peers_inside * share / b.link;
    if (group.one_node()) return inside;
    const double peers_between = group.ranks - group.least_per_node;
    return std::max(inside, group.sharing_members * peers_between * share / b.network);
}

double root_s(double bytes, const GroupPlacement& group, const Bandwidths& b) {
    const double share = bytes / group.ranks;
    const double inside = (group.root_members - 1) * share / b.link;
    if (group.one_node()) return inside;
    const double one_nic = b.network / group.sharing_members;  // a root drives its own NIC only
    return std::max(inside, (group.ranks - group.root_members) * share / one_nic);
}

}  // namespace

std::optional<double> direct_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                  Protocol protocol, const CollectiveCalibration& calibration) {
    const bool exchange = kind == CollectiveKind::all_to_all;
    const bool rooted = kind == CollectiveKind::gather || kind == CollectiveKind::scatter;
    const bool pair = kind == CollectiveKind::send_recv;
    if (!(exchange || rooted || pair) || protocol == Protocol::ll128) return std::nullopt;
    const ProtocolCalibration& p = calibration.of(calibration.direct, protocol);
    const Bandwidths b = bandwidths(group, p, calibration);
    if (pair) return p.start_s + hop_s(group, p) + bytes / (group.one_node() ? b.link : b.network);
    const double moved = exchange ? exchange_s(bytes, group, b) : root_s(bytes, group, b);
    return p.start_s + (group.ranks - 1) * calibration.peer_s + hop_s(group, p) + moved;
}

std::optional<double> grouped_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                   Protocol protocol, const CollectiveCalibration& calibration) {
    using Kind = CollectiveKind;
    const bool whole = kind == Kind::broadcast || kind == Kind::reduce;
    const bool part = kind == Kind::all_gather || kind == Kind::reduce_scatter;
    if (!(whole || part || kind == Kind::all_reduce) || protocol == Protocol::ll128) return std::nullopt;
    const ProtocolCalibration& p = calibration.of(calibration.direct, protocol);
    const Bandwidths b = bandwidths(group, p, calibration);
    const double start = p.start_s + (group.ranks - 1) * calibration.peer_s;
    if (whole) return start + hop_s(group, p) + root_s(bytes * group.ranks, group, b);
    return start + (part ? 1 : 2) * (hop_s(group, p) + exchange_s(bytes, group, b));
}

}  // namespace orrery::sim
