#include "sim/cost/collectives/all_to_all_v.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace orrery::sim {
namespace {

/// What leaves and enters, by place: bytes at a GPU's port or a leaf, seconds of a NIC at full speed.
struct Loads {
    explicit Loads(std::size_t places) : out(places, 0), in(places, 0) {}
    void add(std::size_t from, std::size_t to, double sent, double received) {
        out[from] += sent;
        in[to] += received;
    }
    [[nodiscard]] double most() const {
        return std::max(*std::ranges::max_element(out), *std::ranges::max_element(in));
    }
    std::vector<double> out;
    std::vector<double> in;
};

struct Places {
    int node = 0;
    std::size_t nic = 0;
    double nic_bandwidth = 1;
    std::size_t leaf = 0;
};

/// NICs of the node that has most.
std::size_t most_nics(const topologies::Cluster& cluster) {
    int most = 0;
    for (std::size_t kind = 0; kind < cluster.kinds(); ++kind) most = std::max(most, cluster.kind(kind).nics);
    return static_cast<std::size_t>(most);
}

Places places_of(std::uint32_t device, const topologies::Cluster& cluster) {
    const topologies::Node& node = cluster.node_at(device);
    Places at;
    at.node = cluster.node_of(device);
    const auto index = static_cast<std::size_t>(cluster.place_in_node(device));
    const auto nics = static_cast<std::size_t>(node.nics);
    at.nic = static_cast<std::size_t>(at.node) * most_nics(cluster) +
             index * nics / static_cast<std::size_t>(node.gpus);
    at.nic_bandwidth = node.nic_bandwidth;
    const int per_leaf = cluster.fabric.nodes_per_leaf;
    at.leaf = per_leaf > 0 ? static_cast<std::size_t>(at.node / per_leaf) : 0;
    return at;
}

/// What is counted over the matrix.
struct Traffic {
    Traffic(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices,
            const topologies::Cluster& cluster)
        : ports(devices.size()) {
        std::vector<Places> at;
        at.reserve(devices.size());
        for (const std::uint32_t device : devices) at.push_back(places_of(device, cluster));
        const auto most = std::ranges::max_element(at, {}, &Places::nic);
        nics = Loads(most->nic + 1);
        leaves = Loads(std::ranges::max_element(at, {}, &Places::leaf)->leaf + 1);
        for (std::uint32_t from = 0; from < matrix.members; ++from) {
            int peers = 0;
            for (std::uint32_t to = 0; to < matrix.members; ++to) {
                const double bytes = matrix.at(from, to);
                if (from == to || bytes <= 0) continue;
                ++peers;
                add(at[from], at[to], from, to, bytes);
            }
            most_peers = std::max(most_peers, peers);
        }
    }

    void add(const Places& a, const Places& b, std::uint32_t from, std::uint32_t to, double bytes) {
        if (a.node == b.node) {
            inside = true;
            ports.add(from, to, bytes, bytes);
            return;
        }
        between = true;
        nics.add(a.nic, b.nic, bytes / a.nic_bandwidth, bytes / b.nic_bandwidth);
        if (a.leaf != b.leaf) leaves.add(a.leaf, b.leaf, bytes, bytes);
    }

    Loads ports;
    Loads nics{1};
    Loads leaves{1};
    int most_peers = 0;
    bool inside = false;
    bool between = false;
};

/// The node of the group whose NICs are slowest together: what its network_bandwidth is of.
const topologies::Node& slowest_node(std::span<const std::uint32_t> devices,
                                     const topologies::Cluster& cluster) {
    const topologies::Node* slowest = &cluster.node_at(devices.front());
    if (!cluster.mixed()) return *slowest;
    for (const std::uint32_t device : devices) {
        const topologies::Node& node = cluster.node_at(device);
        if (node.nics * node.nic_bandwidth < slowest->nics * slowest->nic_bandwidth) slowest = &node;
    }
    return *slowest;
}

/// Of the NICs that the group's members drive, the share that other groups leave to it.
double share_of_nics(const topologies::Node& node, const GroupPlacement& group) {
    const double own = std::min(group.least_per_node, node.nics) * node.nic_bandwidth;
    return std::min(1.0, group.network_bandwidth / own);
}

}  // namespace

std::optional<double> all_to_all_v_time(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices,
                                        const topologies::Cluster& cluster, const GroupPlacement& group,
                                        Protocol protocol, const CollectiveCalibration& calibration) {
    if (protocol == Protocol::ll128) return std::nullopt;
    if (group.ranks < 2) return 0;
    const ProtocolCalibration& p = calibration.of(calibration.direct, protocol);
    const Traffic traffic(matrix, devices, cluster);

    double moved = 0;
    double hop = 0;
    if (traffic.inside) {
        hop = group.link_latency_s + p.link_step_s;
        moved = traffic.ports.most() / (group.link_bandwidth * calibration.link_efficiency * p.link_share);
    }
    if (traffic.between) {
        hop = std::max(hop, group.network_latency_s + p.network_step_s);
        const topologies::Node& slowest = slowest_node(devices, cluster);
        const double share = calibration.network_efficiency * p.network_share * share_of_nics(slowest, group);
        moved = std::max(moved, traffic.nics.most() / share);
        const double leaf = cluster.fabric.nodes_per_leaf * slowest.nics * slowest.nic_bandwidth /
                            cluster.fabric.oversubscription;
        if (cluster.fabric.nodes_per_leaf > 0)
            moved = std::max(moved, traffic.leaves.most() / (leaf * share));
    }
    return p.start_s + traffic.most_peers * calibration.peer_s + hop + moved;
}

}  // namespace orrery::sim
