// study/cluster_table.cpp: the keys of `cluster:`.
#include "study/cluster_choice.hpp"
#include "topologies/custom_graph.hpp"
#include "topologies/fabric_names.hpp"

namespace orrery::study {
namespace {

constexpr double kMostGpus = 1e6;

schema::Table<FabricChoice> make_fabric_table() {
    using Field = schema::Field<FabricChoice>;
    using F = FabricChoice;
    const auto count = [](const char* key, auto member, const char* words, double least = 1) {
        return Field::integer(key, member)
            .at_least(least)
            .at_most(kMostGpus)
            .otherwise("the base's")
            .describe(words);
    };
    const auto bandwidth = [](const char* key, auto member, const char* words) {
        return Field::number(key, member)
            .above(0)
            .at_most(1e18)
            .unit("bytes/s")
            .otherwise("the base's")
            .describe(words);
    };
    const auto latency = [](const char* key, auto member, const char* words) {
        return Field::number(key, member)
            .at_least(0)
            .at_most(10)
            .unit("s")
            .otherwise("the base's")
            .describe(words);
    };
    const auto ratio = [](const char* key, auto member, const char* words) {
        return Field::number(key, member).at_least(1).at_most(1e6).otherwise("the base's").describe(words);
    };
    return {
        "fabric",
        "The network between nodes.",
        {Field::text("base", &F::base)
             .otherwise("the node's own")
             .describe("A name in topologies/zoo/fabrics, or a path."),
         Field::choice("kind", &F::kind, topologies::fabric_kinds())
             .otherwise("the base's")
             .describe("How switches and nodes are joined."),
         Field::choice("routing", &F::routing, topologies::routings())
             .otherwise("the base's")
             .describe("Among equally short ways: all alike, by a hash of the flow, by the destination."),
         count("nodes_per_leaf", &F::nodes_per_leaf,
               "Nodes under one set of leaf switches, or a dragonfly's router; 0: all.", 0),
         count("leaves_per_pod", &F::leaves_per_pod, "Leaf sets under one set of spines; 0: all.", 0),
         ratio("oversubscription", &F::oversubscription, "Bandwidth into a leaf over bandwidth out of it."),
         ratio("core_oversubscription", &F::core_oversubscription, "The same of a spine."),
         count("spines_per_pod", &F::spines_per_pod, "Without adaptive routing: spines."),
         count("cores_per_spine", &F::cores_per_spine, "Without adaptive routing: cores above a spine."),
         latency("switch_latency_s", &F::switch_latency_s, "Each switch."),
         count("routers_per_group", &F::routers_per_group, "Dragonfly: routers (leaves) of a group."),
         bandwidth("local_bandwidth", &F::local_bandwidth, "Dragonfly: a cable inside a group."),
         count("global_cables", &F::global_cables, "Dragonfly: cables between two groups."),
         bandwidth("global_bandwidth", &F::global_bandwidth, "Dragonfly: such a cable."),
         latency("global_latency_s", &F::global_latency_s, "Dragonfly: such a cable."),
         Field::list("shape", &F::shape).describe("Torus: chips along each dimension."),
         Field::boolean("twisted", &F::twisted)
             .otherwise("the base's")
             .describe("Torus: wraps with a shift."),
         count("sites", &F::sites, "Data centres, each with its share of the nodes."),
         bandwidth("site_bandwidth", &F::site_bandwidth, "Between two sites, each direction."),
         latency("site_latency_s", &F::site_latency_s, "Between two sites, one way.")},
        "base"};
}

/// The keys of NodeFigures.
template <class S>
void add_figures(schema::Table<S>& table) {
    using Field = schema::Field<S>;
    const std::vector<Field> figures{
        Field::integer(
            "nics", [](S & s) -> auto& { return s.figures.nics; })
            .at_least(0)
            .at_most(1024)
            .otherwise("the node's")
            .describe("NICs per node."),
        Field::number(
            "nic_bandwidth", [](S & s) -> auto& { return s.figures.nic_bandwidth; })
            .above(0)
            .unit("bytes/s")
            .otherwise("the node's")
            .describe("Bandwidth of a NIC, each direction."),
        Field::number(
            "nic_latency_s", [](S & s) -> auto& { return s.figures.nic_latency_s; })
            .at_least(0)
            .at_most(1)
            .unit("s")
            .otherwise("the node's")
            .describe("From GPU memory to the wire and back: one end."),
        Field::number(
            "gpu_link_bandwidth", [](S & s) -> auto& { return s.figures.gpu_link_bandwidth; })
            .above(0)
            .unit("bytes/s")
            .otherwise("the node's")
            .describe("NVLink (or PCIe) bandwidth of a GPU, each direction."),
        Field::number(
            "gpu_link_latency_s", [](S & s) -> auto& { return s.figures.gpu_link_latency_s; })
            .at_least(0)
            .at_most(1)
            .unit("s")
            .otherwise("the node's")
            .describe("Latency of that link."),
        Field::number(
            "gpu_memory_bytes", [](S & s) -> auto& { return s.figures.gpu_memory_bytes; })
            .above(0)
            .unit("bytes")
            .otherwise("the GPU's")
            .describe("Memory of a GPU."),
        Field::text(
            "collectives", [](S & s) -> auto& { return s.collectives; })
            .otherwise("the node's")
            .describe("How collectives run: a name in calibrations/collectives, or ideal.")};
    table.fields.insert(table.fields.end(), figures.begin(), figures.end());
}

schema::Table<GroupChoice> make_group_table() {
    using Field = schema::Field<GroupChoice>;
    using G = GroupChoice;
    schema::Table<G> table{
        "group",
        "Nodes of one kind that follow each other.",
        {Field::text("node", &G::node).required().describe("A node of topologies/zoo, or a path."),
         Field::integer("nodes", &G::nodes).at_least(1).at_most(kMostGpus).describe("How many."),
         Field::integer("gpus", &G::gpus)
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("all of the node's")
             .describe("GPUs of each node."),
         Field::text("calibration", &G::calibration)
             .otherwise("that of the GPU")
             .describe("How long kernels take there: a name in calibrations, or a path.")},
        "node"};
    add_figures(table);
    return table;
}

schema::Table<topologies::Degradation> make_degrade_table() {
    using Field = schema::Field<topologies::Degradation>;
    using D = topologies::Degradation;
    return {"degradation",
            "A part that is slower than it should be, or fails.",
            {Field::text("link", &D::cable)
                 .describe("A cable as `orrery show cluster` names it, both directions: node 3 nic 2."),
             Field::integer("gpu", &D::gpu)
                 .at_least(0)
                 .at_most(kMostGpus)
                 .otherwise("none")
                 .describe("Its kernels."),
             Field::number("at", &D::at_s).at_least(0).unit("s").describe("Since the step began."),
             Field::number("factor", &D::factor)
                 .at_least(0)
                 .at_most(1)
                 .describe("What is left of its speed; 0: it has failed.")}};
}

schema::Table<ClusterChoice> make_cluster_table() {
    using Field = schema::Field<ClusterChoice>;
    using C = ClusterChoice;
    static const auto fabric = make_fabric_table();
    static const auto group = make_group_table();
    static const auto degrade = make_degrade_table();
    schema::Table<C> table{
        "cluster",
        "What it runs on.",
        {Field::text("node", &C::node)
             .describe("A node of topologies/zoo, a cluster of topologies/zoo/clusters, or a path."),
         Field::list("groups", &C::groups, group)
             .describe("Instead of `node` and `nodes`: several kinds of nodes on one fabric."),
         Field::integer("nodes", &C::nodes)
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("as many as hold `gpus`, the cluster's own number, or 1")
             .describe("How many nodes."),
         Field::integer("gpus", &C::gpus)
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("all of the nodes'")
             .describe("How many GPUs, equally many on each node."),
         Field::table("fabric", &C::fabric, fabric).describe("The network between nodes."),
         Field::number("oversubscription", &C::oversubscription)
             .at_least(1)
             .at_most(1e6)
             .otherwise("the fabric's")
             .describe("Bandwidth into a leaf switch over bandwidth out of it."),
         Field::list("degrade", &C::degrade, degrade).describe("Parts that are slow or fail."),
         Field::custom("graph", topologies::custom_graph_shape(),
                       [](C& choice, const yaml::Node& node, const schema::FieldInfo&, const schema::Scope&) {
                           choice.graph = node;
                       })
             .describe(
                 "Links and switches of the user's own instead of the nodes' and the fabric: a path, or "
                 "the map.")},
        "node"};
    add_figures(table);
    return table;
}

}  // namespace

const schema::Table<ClusterChoice>& cluster_table() {
    static const schema::Table<ClusterChoice> table = make_cluster_table();
    return table;
}

}  // namespace orrery::study
