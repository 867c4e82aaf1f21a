#include "study/cluster_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "study/data_name.hpp"
#include "study/experiment.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/custom_graph.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::study {
namespace {

[[noreturn]] void fail(const Experiment& experiment, const std::string& key, const std::string& message) {
    throw InputError(experiment.where(key), key, message);
}

/// How many nodes, and how many GPUs on each.
std::pair<int, int> nodes_and_gpus(const Experiment& experiment, const ClusterChoice& choice,
                                   int gpus_of_node, int nodes_of_cluster) {
    if (!choice.gpus) return {choice.nodes.value_or(nodes_of_cluster), gpus_of_node};
    const int gpus = *choice.gpus;
    const int nodes = choice.nodes.value_or((gpus + gpus_of_node - 1) / gpus_of_node);
    if (gpus % nodes != 0 || gpus / nodes > gpus_of_node)
        fail(experiment, "cluster.gpus",
             fmt::format("{} GPUs do not lie equally on {} nodes of {}; expected a multiple of the "
                         "nodes, at most {}",
                         gpus, nodes, gpus_of_node, std::int64_t{nodes} * gpus_of_node));
    return {nodes, gpus / nodes};
}

template <class T, class Given>
void replace(T& figure, const std::optional<Given>& given) {
    if (given) figure = *given;
}

void apply_fabric(const Experiment& experiment, const FabricChoice& choice, topologies::Fabric& fabric) {
    if (!choice.base.empty())
        fabric = topologies::load_fabric(
            data_name(experiment, "cluster.fabric", "fabric", "topologies/zoo/fabrics", choice.base));
    replace(fabric.kind, choice.kind);
    replace(fabric.routing, choice.routing);
    replace(fabric.nodes_per_leaf, choice.nodes_per_leaf);
    replace(fabric.leaves_per_pod, choice.leaves_per_pod);
    replace(fabric.oversubscription, choice.oversubscription);
    replace(fabric.core_oversubscription, choice.core_oversubscription);
    replace(fabric.spines_per_pod, choice.spines_per_pod);
    replace(fabric.cores_per_spine, choice.cores_per_spine);
    replace(fabric.switch_latency_s, choice.switch_latency_s);
    replace(fabric.routers_per_group, choice.routers_per_group);
    replace(fabric.local_bandwidth, choice.local_bandwidth);
    replace(fabric.global_cables, choice.global_cables);
    replace(fabric.global_bandwidth, choice.global_bandwidth);
    replace(fabric.global_latency_s, choice.global_latency_s);
    replace(fabric.twisted, choice.twisted);
    replace(fabric.sites, choice.sites);
    replace(fabric.site_bandwidth, choice.site_bandwidth);
    replace(fabric.site_latency_s, choice.site_latency_s);
    if (choice.shape.empty()) return;
    const bool positive = std::all_of(choice.shape.begin(), choice.shape.end(),
                                      [](int side) { return side >= 1 && side <= 1'000'000; });
    if (choice.shape.size() > 3 || !positive)
        fail(experiment, "cluster.fabric.shape", "expected one to three sides of at least 1");
    fabric.shape = {1, 1, 1};
    std::copy(choice.shape.begin(), choice.shape.end(), fabric.shape.begin());
}

/// Leaves the node `gpus` of its GPUs.
void take_gpus(topologies::Node& node, int gpus) {
    // Half of a node's GPUs reach the network over half of its NICs.
    if (gpus < node.gpus && node.nics > 0) node.nics = std::max(1, node.nics * gpus / node.gpus);
    node.gpus = gpus;
    // A mesh of fewer GPUs has the cables between those.
    std::erase_if(node.mesh,
                  [gpus](const topologies::MeshCable& cable) { return cable.a >= gpus || cable.b >= gpus; });
}

topologies::Cluster of_groups(const Experiment& experiment, const ClusterChoice& choice) {
    if (!choice.node.empty() || choice.nodes || choice.gpus)
        fail(experiment, "cluster.groups",
             "stands instead of node, nodes and gpus; expected one or the other");
    topologies::Cluster cluster;
    cluster.nodes = 0;
    std::int64_t gpus = 0;
    for (std::size_t i = 0; i < choice.groups.size(); ++i) {
        const GroupChoice& group = choice.groups[i];
        const std::string key = fmt::format("cluster.groups[{}]", i);
        const std::string name = data_name(experiment, key + ".node", "node", "topologies/zoo", group.node);
        topologies::Node node = topologies::load_node(name);
        if (group.gpus && *group.gpus > node.gpus)
            fail(experiment, key + ".gpus",
                 fmt::format("a {} has {} GPUs; expected 1 to {}", node.name, node.gpus, node.gpus));
        if (group.gpus) take_gpus(node, *group.gpus);
        gpus += std::int64_t{group.nodes} * node.gpus;
        if (gpus > 1'000'000) fail(experiment, key + ".nodes", "more than 1000000 GPUs");
        cluster.groups.push_back({std::move(node), group.nodes});
        cluster.nodes += group.nodes;
        cluster.name += fmt::format("{}{} x {}", cluster.name.empty() ? "" : " + ", group.node, group.nodes);
    }
    cluster.node = cluster.groups.front().node;
    if (!cluster.node.fabric_name.empty()) cluster.fabric = topologies::load_fabric(cluster.node.fabric_name);
    return cluster;
}

topologies::Cluster of_one_kind(const Experiment& experiment, const ClusterChoice& choice) {
    if (choice.node.empty()) fail(experiment, "cluster", "expected node or groups");
    const bool zoo_cluster = topologies::names_a_cluster_of_zoo(choice.node);
    topologies::Cluster cluster =
        zoo_cluster ? topologies::find_cluster(choice.node)
                    : topologies::make_cluster(
                          data_name(experiment, "cluster.node", "node", "topologies/zoo", choice.node), 1);
    const auto [nodes, gpus] = nodes_and_gpus(experiment, choice, cluster.node.gpus, cluster.nodes);
    cluster.nodes = nodes;
    take_gpus(cluster.node, gpus);
    if (std::int64_t{cluster.nodes} * cluster.node.gpus > 1'000'000)
        fail(experiment, "cluster.nodes", "more than 1000000 GPUs");
    return cluster;
}

/// Of a GroupChoice or a ClusterChoice, which stands at `key`.
template <class Choice>
void apply_figures(const Experiment& experiment, const std::string& key, const Choice& choice,
                   topologies::Node& node) {
    const NodeFigures& figures = choice.figures;
    replace(node.nics, figures.nics);
    replace(node.nic_bandwidth, figures.nic_bandwidth);
    replace(node.nic_latency_s, figures.nic_latency_s);
    replace(node.gpu_link_bandwidth, figures.gpu_link_bandwidth);
    replace(node.gpu_link_latency_s, figures.gpu_link_latency_s);
    replace(node.gpu.memory_bytes, figures.gpu_memory_bytes);
    if (choice.collectives.empty()) return;
    node.collectives = choice.collectives == "ideal"
                           ? choice.collectives
                           : data_name(experiment, key + ".collectives", "collective calibration",
                                       "calibrations/collectives", choice.collectives);
}

/// Every degraded part is there.
void check_degradations(const Experiment& experiment, const topologies::Cluster& cluster) {
    if (cluster.degradations.empty()) return;
    const topologies::Graph graph = topologies::build_graph(cluster);
    for (const topologies::Degradation& part : cluster.degradations) {
        if ((part.gpu >= 0) == !part.cable.empty())
            fail(experiment, "cluster.degrade",
                 "each entry is of a link or of a gpu; expected one of the two keys");
        if (part.gpu >= cluster.devices())
            fail(experiment, "cluster.degrade",
                 fmt::format("gpu {}: the cluster has the GPUs 0 to {}", part.gpu, cluster.devices() - 1));
        if (!part.cable.empty() && !graph.find_cable(part.cable))
            fail(experiment, "cluster.degrade", topologies::unknown_cable(graph, part.cable));
    }
}

}  // namespace

topologies::Cluster cluster_of(const Experiment& experiment, const ClusterChoice& choice) {
    topologies::Cluster cluster =
        choice.groups.empty() ? of_one_kind(experiment, choice) : of_groups(experiment, choice);
    apply_figures(experiment, "cluster", choice, cluster.node);
    for (std::size_t i = 0; i < cluster.groups.size(); ++i) {
        apply_figures(experiment, "cluster", choice, cluster.groups[i].node);
        apply_figures(experiment, fmt::format("cluster.groups[{}]", i), choice.groups[i],
                      cluster.groups[i].node);
    }
    if (!cluster.groups.empty()) cluster.node = cluster.groups.front().node;
    apply_fabric(experiment, choice.fabric, cluster.fabric);
    replace(cluster.fabric.oversubscription, choice.oversubscription);
    if (choice.graph)
        cluster.custom = std::make_shared<const topologies::CustomGraph>(
            topologies::read_custom_graph(*choice.graph, "cluster.graph", cluster.devices()));
    topologies::check_cluster(cluster, experiment.where("cluster"), "cluster");
    cluster.degradations = choice.degrade;
    check_degradations(experiment, cluster);
    return cluster;
}

}  // namespace orrery::study
