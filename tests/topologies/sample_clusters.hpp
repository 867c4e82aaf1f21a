// Small clusters of every kind, for tests that hold on all of them.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/custom_graph.hpp"

namespace orrery::topologies::testing_samples {

inline Node node(int gpus, int nics, NodeFabric inside = NodeFabric::nvswitch) {
    Node n;
    n.name = "node";
    n.gpus = gpus;
    n.fabric = inside;
    n.gpu_link_bandwidth = 300e9;
    n.gpu_link_latency_s = 4e-7;
    n.pcie_bandwidth = 30e9;
    n.pcie_latency_s = 1e-6;
    n.nics = nics;
    n.nic_bandwidth = 25e9;
    n.nic_latency_s = 1e-6;
    return n;
}

struct Sample {
    std::string name;
    Cluster cluster;
    bool gpus_forward = false;  ///< ways may pass through devices

    // The test's name.
    friend void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }
};

inline Cluster cluster(const Node& kind, int nodes, FabricKind fabric, int nodes_per_leaf, int leaves_per_pod,
                       double oversubscription, Routing routing = Routing::adaptive) {
    Cluster c;
    c.name = "sample";
    c.node = kind;
    c.nodes = nodes;
    c.fabric.name = "sample";
    c.fabric.kind = fabric;
    c.fabric.nodes_per_leaf = nodes_per_leaf;
    c.fabric.leaves_per_pod = leaves_per_pod;
    c.fabric.oversubscription = oversubscription;
    c.fabric.routing = routing;
    c.fabric.switch_latency_s = 1e-7;
    return c;
}

inline Cluster torus_of(std::array<int, 3> shape, int dimensions, bool wraps = true, bool twisted = false) {
    Cluster c =
        cluster(node(1, 0, NodeFabric::ici), shape[0] * shape[1] * shape[2], FabricKind::torus, 0, 0, 1);
    c.fabric.shape = shape;
    c.fabric.dimensions = dimensions;
    c.fabric.wraps_from = wraps ? 0 : 1'000'000;
    c.fabric.twisted = twisted;
    return c;
}

inline Cluster dragonfly_of(FabricKind kind, int nodes, int routers_per_group, int cables) {
    Cluster c = cluster(node(1, 1), nodes, kind, 1, 0, 1, Routing::ecmp);
    c.fabric.routers_per_group = routers_per_group;
    c.fabric.spines_per_pod = 2;
    c.fabric.local_bandwidth = 50e9;
    c.fabric.global_cables = cables;
    c.fabric.global_bandwidth = 40e9;
    c.fabric.global_latency_s = 1e-6;
    return c;
}

/// The hybrid cube mesh of DGX-1 with P100 (NVIDIA WP-08437): two fully joined quads, joined corner by
/// corner.
inline Node cube_mesh() {
    Node n = node(8, 4, NodeFabric::nvlink_mesh);
    n.gpu_link_bandwidth = 80e9;
    for (const int quad : {0, 4})
        for (int a = 0; a < 4; ++a)
            for (int b = a + 1; b < 4; ++b) n.mesh.push_back({quad + a, quad + b, 1});
    for (int a = 0; a < 4; ++a) n.mesh.push_back({a, a + 4, 1});
    return n;
}

inline Cluster mixed() {
    Cluster c = cluster(node(2, 2), 5, FabricKind::fat_tree, 2, 0, 2);
    Node fast = node(4, 4);
    fast.nic_bandwidth = 50e9;
    c.groups = {{c.node, 3}, {fast, 2}};
    return c;
}

inline Cluster ring_of_switches() {
    Cluster c = cluster(node(2, 1), 4, FabricKind::fat_tree, 0, 0, 1);
    CustomGraph g;
    g.devices = 8;
    g.switches = {"a", "b", "c", "d"};
    for (VertexId d = 0; d < 8; ++d) g.wires.push_back({d, 8 + d / 2, {50e9, 1e-6, Tier::nic}, 50e9, 1});
    for (VertexId s = 0; s < 4; ++s)
        g.wires.push_back({8 + s, 8 + (s + 1) % 4, {40e9, 1e-6, Tier::leaf}, 40e9, 1});
    c.custom = std::make_shared<const CustomGraph>(std::move(g));
    return c;
}

inline std::vector<Sample> all() {
    using enum FabricKind;
    using enum Routing;
    std::vector<Sample> list;
    const auto add = [&list](const char* name, Cluster c, bool forward = false) {
        list.push_back({name, std::move(c), forward});
    };
    Node tree = node(8, 2, NodeFabric::pcie);
    tree.gpus_per_pcie_switch = 2;
    tree.sockets = 2;
    tree.socket_bandwidth = 40e9;
    Cluster sites = cluster(node(2, 2), 8, fat_tree, 2, 0, 1);
    sites.fabric.sites = 2;
    sites.fabric.site_bandwidth = 10e9;
    sites.fabric.site_latency_s = 1e-2;
    Cluster three_sites = cluster(node(2, 2), 7, rail_optimised, 1, 2, 1, ecmp);
    three_sites.fabric.sites = 3;
    three_sites.fabric.site_bandwidth = 10e9;
    Cluster thin_core = cluster(node(2, 2), 8, fat_tree, 2, 2, 1, ecmp);
    thin_core.fabric.core_oversubscription = 2;

    add("one node", cluster(node(8, 0), 1, fat_tree, 0, 0, 1));
    add("PCIe tree", cluster(tree, 2, fat_tree, 0, 0, 1));
    add("NVLink cube mesh", cluster(cube_mesh(), 1, fat_tree, 0, 0, 1), true);
    add("full mesh", cluster(node(4, 4, NodeFabric::nvlink_mesh), 2, fat_tree, 0, 0, 1), true);
    add("fat tree, one leaf", cluster(node(4, 2), 3, fat_tree, 0, 0, 1));
    add("fat tree, two levels", cluster(node(2, 2), 8, fat_tree, 2, 0, 2));
    add("fat tree, three levels", cluster(node(2, 1), 8, fat_tree, 2, 2, 1));
    add("fat tree, ECMP", cluster(node(2, 2), 8, fat_tree, 2, 2, 1, ecmp));
    add("fat tree, fixed", cluster(node(2, 2), 8, fat_tree, 2, 2, 1, fixed));
    add("fat tree, thin core", thin_core);
    add("fat tree, part of a leaf", cluster(node(2, 2), 5, fat_tree, 2, 0, 1));
    add("several NICs a GPU", cluster(node(2, 8), 4, fat_tree, 2, 0, 1));
    add("rail-optimised", cluster(node(4, 4), 4, rail_optimised, 2, 0, 1));
    add("rail-optimised, ECMP", cluster(node(2, 2), 8, rail_optimised, 2, 2, 1, ecmp));
    add("rail-only", cluster(node(4, 4), 4, rail_only, 4, 0, 1), true);
    add("rail-only, two levels", cluster(node(2, 2), 8, rail_only, 2, 0, 1, ecmp), true);
    add("dragonfly", dragonfly_of(FabricKind::dragonfly, 12, 4, 2));
    add("dragonfly+", dragonfly_of(dragonfly_plus, 12, 4, 2));
    add("torus 4 x 4", torus_of({4, 4, 1}, 2), true);
    add("torus 3 x 2 x 4", torus_of({3, 2, 4}, 3), true);
    add("mesh 4 x 3", torus_of({4, 3, 1}, 2, false), true);
    add("twisted torus 3 x 3 x 6", torus_of({3, 3, 6}, 3, true, true), true);
    add("twisted torus 3 x 6 x 6", torus_of({3, 6, 6}, 3, true, true), true);
    add("two sites", sites);
    add("three sites, rails", three_sites);
    add("mixed", mixed());
    add("custom ring of switches", ring_of_switches());
    return list;
}

}  // namespace orrery::topologies::testing_samples
