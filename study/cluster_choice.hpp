// study/cluster_choice.hpp
//
// `cluster:` of an experiment: a node or a whole cluster of the zoo, several groups of nodes, figures that
// replace theirs, the kind of fabric, a graph of the user's own, and parts that are slow or fail.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/schema.hpp"
#include "core/yaml.hpp"
#include "topologies/cluster.hpp"

namespace orrery::study {

struct Experiment;

/// `cluster.fabric`: a name, or a map whose figures replace those of `base`.
struct FabricChoice {
    std::string base;
    std::optional<topologies::FabricKind> kind;
    std::optional<topologies::Routing> routing;
    std::optional<int> nodes_per_leaf, leaves_per_pod, spines_per_pod, cores_per_spine, routers_per_group,
        global_cables, sites;
    std::optional<double> oversubscription, core_oversubscription, switch_latency_s, local_bandwidth,
        global_bandwidth, global_latency_s, site_bandwidth, site_latency_s;
    std::vector<int> shape;
    std::optional<bool> twisted;
};

/// Figures that are given replace those of a node.
struct NodeFigures {
    std::optional<int> nics;
    std::optional<double> nic_bandwidth;
    std::optional<double> nic_latency_s;
    std::optional<double> gpu_link_bandwidth;
    std::optional<double> gpu_link_latency_s;
    std::optional<double> gpu_memory_bytes;
};

/// Nodes of one kind; its own figures go before the cluster's.
struct GroupChoice {
    NodeFigures figures;
    std::string node;
    int nodes = 1;
    std::optional<int> gpus;  ///< of each node
    std::string collectives;
    std::string calibration;
};

/// Figures that are given replace those of all nodes and of the fabric.
struct ClusterChoice {
    NodeFigures figures;
    std::string node;
    std::vector<GroupChoice> groups;
    std::optional<int> nodes;
    std::optional<int> gpus;
    FabricChoice fabric;
    std::optional<double> oversubscription;
    std::string collectives;
    std::vector<topologies::Degradation> degrade;
    std::optional<yaml::Node> graph;
};

const schema::Table<ClusterChoice>& cluster_table();

/// The cluster it describes. Throws InputError at the key that cannot be.
topologies::Cluster cluster_of(const Experiment& experiment, const ClusterChoice& choice);

}  // namespace orrery::study
