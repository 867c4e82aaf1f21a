// sim/cost/collectives/nvls.cpp
//
// All-reduce inside NVSwitch (NVLink SHARP; NCCL's algorithms NVLS on one node and NVLSTree on several). Each
// of the r GPUs of a node reads its r-th of the buffer reduced by the switch (which fetches it from all), and
// writes it back through the switch to all: a GPU's link carries out 1 + 1/r buffers,
//   T = start + max((1 + 1/r) x bytes / B_link, between), and on several nodes a double binary tree between
// nodes as in tree.cpp, each GPU moving its share over its own NIC. Not on two GPUs of a node: NCCL sets NVLS
// up from three on (ncclNvlsInit in src/transport/nvls.cc, in the versions the samples are of), and a ring
// moves less there.
#include <algorithm>

#include "sim/cost/collectives/algorithm.hpp"
#include "sim/cost/collectives/node_tree.hpp"

namespace orrery::sim {
namespace {

bool possible(CollectiveKind kind, const GroupPlacement& group, Protocol protocol,
              const NvlsCalibration& nvls) {
    return nvls.available && kind == CollectiveKind::all_reduce && protocol == Protocol::simple &&
           group.least_per_node > 2;
}

double inside_time(double bytes, const GroupPlacement& group, const CollectiveCalibration& c) {
    return (1 + 1.0 / group.least_per_node) * bytes /
           (group.link_bandwidth * c.link_efficiency * c.nvls.link_share);
}

}  // namespace

std::optional<double> nvls_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration) {
    const NvlsCalibration& nvls = calibration.nvls;
    if (!possible(kind, group, protocol, nvls) || !group.one_node()) return std::nullopt;
    return start_s(nvls.start_s, group, calibration) + 2 * group.link_latency_s +
           inside_time(bytes, group, calibration);
}

std::optional<double> nvls_tree_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                     Protocol protocol, const CollectiveCalibration& calibration) {
    const NvlsCalibration& nvls = calibration.nvls;
    if (!possible(kind, group, protocol, nvls) || group.one_node()) return std::nullopt;
    const double between =
        node_tree_buffers_sent(group.nodes) * bytes /
        (group.network_bandwidth * group.ring_share * calibration.network_efficiency * nvls.network_share);
    return start_s(nvls.start_s, group, calibration) + 2 * group.link_latency_s +
           2 * node_tree_depth(group.nodes) * (group.network_latency_s + nvls.network_step_s) +
           std::max(inside_time(bytes, group, calibration), between);
}

}  // namespace orrery::sim
