// topologies/zoo_clusters.hpp
//
// Whole clusters by name (topologies/zoo/clusters): which nodes, how many, on which fabric. The figures stand
// in the files of the nodes and fabrics.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

/// A line about each cluster for lists.
struct ZooCluster {
    std::string name;
    std::string summary;
    std::string node;
    std::string fabric;
    int nodes = 1;
    std::string source;  ///< where its size is published
};

/// Names in zoo/clusters, sorted.
std::vector<std::string> cluster_names();

/// Reads a file of zoo/clusters by name or path. Throws InputError.
ZooCluster load_zoo_cluster(const std::string& name_or_path);

/// Whether the name, or the file, is a cluster's and not a node's; and whether it is a name of zoo/clusters.
bool names_a_cluster(const std::string& name_or_path);
bool names_a_cluster_of_zoo(const std::string& name);

/// The cluster of that name with all of its nodes, or `nodes` of them; or `nodes` (1 where not given) nodes
/// of the kind of that name on the node's own fabric. Throws InputError with the nearest of all these names.
Cluster find_cluster(const std::string& name_or_path, std::optional<int> nodes = std::nullopt);

/// "unknown link 'x'; did you mean ..." from the names of the graph's cables.
std::string unknown_cable(const Graph& graph, const std::string& name);

/// What must hold between the parts of a cluster, however it was made: a torus of chips and only of them,
/// NICs where there are several nodes, groups that fit the fabric. Throws InputError at `where` and `key`.
void check_cluster(const Cluster& cluster, const Location& where, const std::string& key);

}  // namespace orrery::topologies
