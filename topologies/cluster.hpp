// topologies/cluster.hpp
//
// What a program runs on: GPUs in nodes, nodes on a fabric. Every figure comes from a YAML file of the zoo,
// with its source beside it; nothing here is a constant of the code. Units: bytes, seconds, bytes/s, FLOP/s.
// Bandwidths are per direction.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace orrery::topologies {

/// A GPU as its data sheet describes it.
struct Gpu {
    std::string name;             ///< "a100-sxm-80g": also the default calibration's name
    double memory_bytes = 0;      ///< capacity
    double memory_bandwidth = 0;  ///< peak
    int multiprocessors = 0;
    double clock_hz = 0;  ///< boost
    double l2_bytes = 0;
    std::map<std::string, double> peak_flops;  ///< by precision: "bf16", "fp16", "fp8", "tf32", "fp32"; dense
};

enum class NodeFabric : std::uint8_t {
    none,
    nvswitch,     ///< every GPU on one switched fabric (builders/switched_node.cpp)
    nvlink_mesh,  ///< GPU to GPU (builders/mesh_node.cpp)
    pcie,         ///< over PCIe switches and the processors (builders/pcie_node.cpp)
    ici,          ///< chips of a torus (builders/torus.cpp)
};

/// Links between two GPUs of a mesh, side by side.
struct MeshCable {
    int a = 0;
    int b = 0;
    int links = 1;
};

/// One node: identical GPUs, the fabric between them, NICs and host. A rack whose GPUs share one NVLink
/// domain (GB200 NVL72) is one node in this sense.
struct Node {
    std::string name;
    Gpu gpu;
    int gpus = 1;
    NodeFabric fabric = NodeFabric::none;
    double gpu_link_bandwidth = 0;  ///< one GPU's NVLink (or PCIe) bandwidth, each direction
    double gpu_link_latency_s = 0;
    double pcie_bandwidth = 0;  ///< GPU to host, each direction
    double pcie_latency_s = 0;
    int nics = 0;
    double nic_bandwidth = 0;  ///< each NIC, each direction
    double nic_latency_s = 0;  ///< GPU memory to wire and back: one end
    double host_memory_bytes = 0;
    double host_memory_bandwidth = 0;
    std::string collectives;  ///< its collective calibration: a name in calibrations/collectives, or "ideal"
    std::string fabric_name;  ///< its default fabric: a name in zoo/fabrics
    std::vector<MeshCable> mesh;       ///< nvlink_mesh: which GPUs are joined; empty: each with each other
    int gpus_per_pcie_switch = 0;      ///< 0: all of a pcie node; elsewhere those that share a NIC
    double pcie_switch_bandwidth = 0;  ///< such a switch to its processor, each direction; 0: pcie_bandwidth
    int sockets = 1;                   ///< processors, each with its share of the PCIe switches
    double socket_bandwidth = 0;       ///< between two of them, each direction

    /// NICs as the network sees them: those of one GPU are one port, as a message is striped over them.
    [[nodiscard]] int ports() const { return nics < gpus ? nics : gpus; }
    /// The port of a GPU (by its number in the node), and the bandwidth of a port, each direction.
    [[nodiscard]] int port_of(int place) const {
        return static_cast<int>(std::int64_t{place} * ports() / gpus);
    }
    [[nodiscard]] double port_bandwidth(int port) const {
        if (nics <= gpus) return nic_bandwidth;
        const auto before = [this](int p) { return std::int64_t{p} * nics / gpus; };
        return static_cast<double>(before(port + 1) - before(port)) * nic_bandwidth;
    }
};

enum class FabricKind : std::uint8_t {
    fat_tree,
    rail_optimised,
    rail_only,
    dragonfly,
    dragonfly_plus,
    torus,
};

/// How a message chooses among equally short ways.
enum class Routing : std::uint8_t {
    adaptive,  ///< packets spread over all of them: parallel links are one (InfiniBand's adaptive routing)
    ecmp,      ///< by a hash of the flow
    fixed,     ///< by the destination (D-mod-k; Zahavi 2012)
};

/// The fabric between nodes. Which figures count depends on the kind; topologies/builders has one file a
/// kind, which says what it is. "Leaf" is the set of leaf switches that one group of nodes shares (one switch
/// in a plain fat tree, one a rail in a rail-optimised one).
struct Fabric {
    std::string name;
    int nodes_per_leaf = 0;  ///< 0: one leaf holds all nodes. Of a dragonfly: nodes per router
    int leaves_per_pod = 0;  ///< leaves under one set of spines; 0: one pod holds all leaves (two levels)
    double oversubscription = 1;  ///< leaf down-bandwidth / up-bandwidth
    double switch_latency_s = 0;  ///< per hop
    FabricKind kind = FabricKind::fat_tree;
    Routing routing = Routing::adaptive;
    double core_oversubscription = 1;  ///< spine down-bandwidth / up-bandwidth
    int spines_per_pod = 0;            ///< 0: as many as a leaf has uplinks of a NIC's bandwidth
    int cores_per_spine = 0;           ///< 0: as many as a spine has uplinks of a NIC's bandwidth
    int routers_per_group = 1;         ///< dragonflies: routers that nodes hang on
    double local_bandwidth = 0;        ///< dragonflies: between two routers of a group, each direction
    int global_cables = 1;             ///< dragonflies: between two groups
    double global_bandwidth = 0;       ///< dragonflies: of such a cable, each direction
    double global_latency_s = 0;       ///< dragonflies: of such a cable
    int dimensions = 3;                ///< torus: 1 to 3
    std::array<int, 3> shape{};        ///< torus: chips along x, y, z; 0: as nearly a cube as can be
    int wraps_from = 0;                ///< torus: a smaller one has no links from end to end
    bool twisted = false;              ///< torus
    int sites = 1;                     ///< data centres, each with its share of the nodes
    double site_bandwidth = 0;         ///< between two of them, each direction
    double site_latency_s = 0;         ///< one way
};

/// Nodes of one kind that follow each other.
struct NodeGroup {
    Node node;
    int nodes = 1;
};

/// A part that is slower than it should be, or has failed, from some moment on. One of `cable` and `gpu`.
struct Degradation {
    std::string cable;  ///< a name of Graph::find_cable: "node 3 nic 2"; both directions
    int gpu = -1;       ///< a device: its kernels
    double at_s = 0;    ///< since the step began
    double factor = 1;  ///< what is left of its speed; 0: failed
};

struct CustomGraph;  // topologies/custom_graph.hpp

struct Cluster {
    std::string name;
    Node node;  ///< of several kinds: the first
    int nodes = 1;
    Fabric fabric;
    std::vector<NodeGroup> groups;  ///< the kinds of nodes, in order; empty: all are like `node`
    std::vector<Degradation> degradations;
    std::shared_ptr<const CustomGraph>
        custom;  ///< wires as a file gives them; stands for node links and fabric

    [[nodiscard]] int devices() const {
        if (groups.empty()) return node.gpus * nodes;
        int sum = 0;
        for (const NodeGroup& group : groups) sum += group.node.gpus * group.nodes;
        return sum;
    }
    /// Several kinds of nodes stand in it.
    [[nodiscard]] bool mixed() const { return groups.size() > 1; }
    [[nodiscard]] std::size_t kinds() const { return groups.empty() ? 1 : groups.size(); }
    /// index < kinds()
    [[nodiscard]] const Node& kind(std::size_t index) const {
        return groups.empty() ? node : groups[index].node;
    }
    /// Which kind of node a device's is.
    [[nodiscard]] std::size_t kind_index(std::uint32_t device) const {
        auto left = static_cast<int>(device);
        for (std::size_t k = 0; k < groups.size(); ++k) {
            const int here = groups[k].node.gpus * groups[k].nodes;
            if (left < here) return k;
            left -= here;
        }
        return 0;
    }
    /// GPUs of a node; of several kinds the largest number that divides all of theirs.
    [[nodiscard]] int common_gpus_per_node() const {
        int common = kind(0).gpus;
        for (const NodeGroup& group : groups) common = std::gcd(common, group.node.gpus);
        return common;
    }
    [[nodiscard]] int node_of(std::uint32_t device) const {
        auto left = static_cast<int>(device);
        int before = 0;
        for (const NodeGroup& group : groups) {
            const int here = group.node.gpus * group.nodes;
            if (left < here) return before + left / group.node.gpus;
            left -= here;
            before += group.nodes;
        }
        return before + left / node.gpus;
    }
    /// Which GPU of its node a device is.
    [[nodiscard]] int place_in_node(std::uint32_t device) const {
        auto left = static_cast<int>(device);
        for (const NodeGroup& group : groups) {
            const int here = group.node.gpus * group.nodes;
            if (left < here) return left % group.node.gpus;
            left -= here;
        }
        return left % node.gpus;
    }
    /// The kind of node that a node, or a device's node, is of.
    [[nodiscard]] const Node& kind_of_node(int index) const {
        for (const NodeGroup& group : groups) {
            if (index < group.nodes) return group.node;
            index -= group.nodes;
        }
        return node;
    }
    [[nodiscard]] const Node& node_at(std::uint32_t device) const { return kind_of_node(node_of(device)); }
};

/// Reads a node or cluster by zoo name or path; see topologies/zoo. Throws InputError (nearest name) when
/// unknown.
Node load_node(const std::string& name_or_path);

/// A fabric by zoo name (zoo/fabrics) or path. Throws InputError as load_node does.
Fabric load_fabric(const std::string& name_or_path);

/// A cluster of `nodes` nodes of that kind on that node's default fabric. Throws InputError when `nodes` < 1.
Cluster make_cluster(const std::string& node_name, int nodes);

/// Names in the zoo, sorted.
std::vector<std::string> node_names();
std::vector<std::string> fabric_names();

}  // namespace orrery::topologies
