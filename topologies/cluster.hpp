// topologies/cluster.hpp
//
// What a program runs on: GPUs in nodes, nodes on a fabric. Every figure comes from a YAML file of the zoo,
// with its source beside it; nothing here is a constant of the code. Units: bytes, seconds, bytes/s, FLOP/s.
// Bandwidths are per direction.
#pragma once

#include <cstdint>
#include <map>
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

enum class NodeFabric : std::uint8_t { none, nvswitch, nvlink_mesh, pcie };

/// One node: identical GPUs, the fabric between them, NICs and host.
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
};

/// The fabric between nodes: a fat tree with oversubscription at the leaf. "Leaf" is the set of leaf switches
/// that one group of nodes shares (one switch, or one a rail); see topologies/fabric.hpp for what follows.
struct Fabric {
    std::string name;
    int nodes_per_leaf = 0;  ///< 0: one leaf holds all nodes
    int leaves_per_pod = 0;  ///< leaves under one set of spines; 0: one pod holds all leaves (two levels)
    double oversubscription = 1;  ///< leaf down-bandwidth / up-bandwidth
    double switch_latency_s = 0;  ///< per hop
};

struct Cluster {
    std::string name;
    Node node;
    int nodes = 1;
    Fabric fabric;

    [[nodiscard]] int devices() const { return node.gpus * nodes; }
    [[nodiscard]] int node_of(std::uint32_t device) const { return static_cast<int>(device) / node.gpus; }
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
