// sim/cost/collectives/ring.cpp
//
// Rings (Patarasuk and Yuan 2009). The buffer is cut into n parts; each pass moves every part over n - 1
// hops, all links busy at once: reduce-scatter and all-gather take one pass, all-reduce two. With data D =
// bytes / n and links of bandwidth B:
//   T = start + hops x hop latency + passes x (n - 1 + fill) x D / B.
// Several rings (channels) run side by side over all of a node's NICs, so B is the lesser of a GPU's link and
// the group's share of its nodes' NICs. Of the hops of a pass, nodes - 1 are between nodes.
// Broadcast and reduce send the whole buffer down one chain in chunks: n - 1 hops, bytes / B.
#include <algorithm>

#include "sim/cost/collectives/algorithm.hpp"

namespace orrery::sim {
namespace {

int passes_over_ranks(CollectiveKind kind) {
    switch (kind) {
        case CollectiveKind::all_reduce:
        case CollectiveKind::barrier:
            return 2;
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::broadcast:
        case CollectiveKind::reduce:
            return 1;
        default:
            return 0;
    }
}

double bandwidth(const GroupPlacement& group, const ProtocolCalibration& p, const CollectiveCalibration& c) {
    const double link = group.link_bandwidth * c.link_efficiency * p.link_share;
    const double network =
        group.network_bandwidth * group.ring_share * c.network_efficiency * p.network_share;
    if (group.one_node()) return link;
    return group.most_per_node > 1 ? std::min(link, network) : network;
}

}  // namespace

std::optional<double> ring_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration) {
    const int passes = passes_over_ranks(kind);
    if (passes == 0) return std::nullopt;
    const ProtocolCalibration& p = calibration.of(calibration.ring, protocol);

    const double n = group.ranks;
    const double network_hops = passes * (group.nodes - 1.0);
    const double link_hops = passes * (n - 1) - network_hops;
    const double latency = start_s(p.start_s, group, calibration) +
                           link_hops * (group.link_latency_s + p.link_step_s) +
                           network_hops * (group.network_latency_s + p.network_step_s);

    const bool chain = kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce;
    const double steps = passes * (n - 1 + calibration.ring_fill_steps);
    const double moved = chain ? bytes : steps * bytes / n;
    const bool one_pass = kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter;
    return latency + moved / (bandwidth(group, p, calibration) * (one_pass ? calibration.one_pass_share : 1));
}

}  // namespace orrery::sim
