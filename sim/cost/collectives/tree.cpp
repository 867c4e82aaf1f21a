// sim/cost/collectives/tree.cpp
//
// Double binary trees (Sanders, Speck and Traff 2009; NCCL since 2.4) between nodes, chains inside them.
// All-reduce only. The buffer is reduced up the tree and sent down it, in chunks:
//   T = start + 2 x ((r - 1) x link hop + ceil(log2 nodes) x network hop) + max(inside, between),
// with r ranks a node. Inside a node each of the r - 1 edges of the chain carries the buffer up and down, the
// channels start at different GPUs, so a GPU sends 2 (r - 1) / r of it. Between nodes each of the two trees
// takes half the buffer; a node that is inside one and a leaf of the other sends two buffers in all, and with
// two nodes there is one edge a tree and each sends one.
#include <algorithm>
#include <cmath>

#include "sim/cost/collectives/algorithm.hpp"
#include "sim/cost/collectives/node_tree.hpp"

namespace orrery::sim {

std::optional<double> tree_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration) {
    if (kind != CollectiveKind::all_reduce && kind != CollectiveKind::barrier) return std::nullopt;
    const ProtocolCalibration& p = calibration.of(calibration.tree, protocol);

    const double ranks_a_node = group.most_per_node;
    const double latency = start_s(p.start_s, group, calibration) +
                           2 * (ranks_a_node - 1) * (group.link_latency_s + p.link_step_s) +
                           2 * node_tree_depth(group.nodes) * (group.network_latency_s + p.network_step_s);

    const double inside = 2 * (ranks_a_node - 1) / ranks_a_node * bytes /
                          (group.link_bandwidth * calibration.link_efficiency * p.link_share);
    if (group.one_node()) return latency + inside;
    const double between =
        node_tree_buffers_sent(group.nodes) * bytes /
        (group.network_bandwidth * group.ring_share * calibration.network_efficiency * p.network_share);
    return latency + (ranks_a_node > 1 ? std::max(inside, between) : between);
}

}  // namespace orrery::sim
