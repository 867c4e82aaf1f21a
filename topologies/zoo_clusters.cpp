#include "topologies/zoo_clusters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "core/schema.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

constexpr std::string_view kClusters = "topologies/zoo/clusters";

const schema::Table<ZooCluster>& cluster_table() {
    using Field = schema::Field<ZooCluster>;
    static const schema::Table<ZooCluster> table{
        "cluster",
        "A whole cluster.",
        {Field::text("name", &ZooCluster::name).required(),
         Field::text("summary", &ZooCluster::summary).required().describe("What it is, in a line."),
         Field::text("node", &ZooCluster::node).required().describe("A name in topologies/zoo."),
         Field::text("fabric", &ZooCluster::fabric).describe("A name in zoo/fabrics; else the node's own."),
         Field::integer("nodes", &ZooCluster::nodes).at_least(1).at_most(1e6).required(),
         Field::text("source", &ZooCluster::source).required().describe("Where its size is published.")}};
    return table;
}

bool is_path(const std::string& name) {
    return name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

}  // namespace

std::vector<std::string> cluster_names() {
    return data_names(kClusters);
}

ZooCluster load_zoo_cluster(const std::string& name_or_path) {
    return schema::read(cluster_table(), yaml::read(data_file(kClusters, name_or_path, "cluster")));
}

bool names_a_cluster_of_zoo(const std::string& name) {
    const auto names = cluster_names();
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string unknown_cable(const Graph& graph, const std::string& name) {
    return unknown_name("link", name, graph.sample_cable_names());
}

bool names_a_cluster(const std::string& name_or_path) {
    if (!is_path(name_or_path)) return names_a_cluster_of_zoo(name_or_path);
    const yaml::Node written = yaml::read(data_file(kClusters, name_or_path, "cluster"));
    return written.kind == yaml::Kind::map && written.find("node") != nullptr;
}

Cluster find_cluster(const std::string& name_or_path, std::optional<int> nodes) {
    if (!is_path(name_or_path)) {
        std::vector<std::string> all = cluster_names();
        for (std::string& name : node_names()) all.push_back(std::move(name));
        if (std::find(all.begin(), all.end(), name_or_path) == all.end())
            throw InputError({}, "cluster", unknown_name("cluster", name_or_path, all));
    }
    if (!names_a_cluster(name_or_path)) return make_cluster(name_or_path, nodes.value_or(1));
    const ZooCluster file = load_zoo_cluster(name_or_path);
    Cluster cluster = make_cluster(file.node, nodes.value_or(file.nodes));
    if (!file.fabric.empty()) cluster.fabric = load_fabric(file.fabric);
    cluster.name = file.name;
    return cluster;
}

void check_cluster(const Cluster& cluster, const Location& where, const std::string& key) {
    const auto fail = [&](const std::string& message) { throw InputError(where, key, message); };
    if (cluster.custom) return;
    const bool torus = cluster.fabric.kind == FabricKind::torus;
    std::vector<NodeGroup> groups = cluster.groups;
    if (groups.empty()) groups.push_back({cluster.node, cluster.nodes});
    for (const NodeGroup& group : groups) {
        const Node& node = group.node;
        if ((node.fabric == NodeFabric::ici) != torus)
            fail(torus ? fmt::format("a torus joins chips with ICI links, node {} has none", node.name)
                       : fmt::format("the chips of node {} are joined by a torus, fabric {} is none",
                                     node.name, cluster.fabric.name));
        if (!torus && cluster.nodes > 1 && node.ports() == 0)
            fail(fmt::format("node {} has no NICs to reach the other nodes", node.name));
    }
    if (torus && groups.size() > 1) fail("a torus is of one kind of node");
    if (cluster.fabric.sites > 1 && (torus || cluster.fabric.kind == FabricKind::dragonfly ||
                                     cluster.fabric.kind == FabricKind::dragonfly_plus))
        fail("several sites take a fat tree, rail-optimised or rail-only fabric");
    if (cluster.fabric.sites > 1 && cluster.fabric.site_bandwidth <= 0)
        fail("several sites need a site_bandwidth");
    if (cluster.fabric.sites > cluster.nodes)
        fail(fmt::format("{} sites for {} nodes", cluster.fabric.sites, cluster.nodes));
    const bool dragonfly =
        cluster.fabric.kind == FabricKind::dragonfly || cluster.fabric.kind == FabricKind::dragonfly_plus;
    if (dragonfly && (cluster.fabric.local_bandwidth <= 0 || cluster.fabric.global_bandwidth <= 0))
        fail("a dragonfly needs local_bandwidth and global_bandwidth");
    if (!torus) return;
    try {
        const auto shape = torus_shape(cluster.fabric, static_cast<std::uint32_t>(cluster.devices()));
        if (cluster.fabric.twisted &&
            !(shape[0] > 2 && ((shape[1] == shape[0] && shape[2] == 2 * shape[0]) ||
                               (shape[1] == 2 * shape[0] && shape[2] == 2 * shape[0]))))
            fail(fmt::format("a torus of {} x {} x {} cannot be twisted; expected k x k x 2k or k x 2k x 2k",
                             shape[0], shape[1], shape[2]));
    } catch (const ExperimentError& error) {
        fail(error.what());
    }
}

}  // namespace orrery::topologies
