// topologies/builders/builders.hpp
//
// A cluster becomes a graph: the nodes are wired inside (one file a kind of node), each network card becomes
// a port, and the fabric joins the ports (one file a kind of fabric). A torus joins the devices themselves.
#pragma once

#include <memory>
#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

/// The nodes of one kind, and where their devices and ports stand in the graph.
struct PlacedNodes {
    Node node;
    std::uint32_t nodes = 0;
    std::uint32_t first_node = 0;
    std::uint32_t first_device = 0;
    std::uint32_t first_port = 0;

    [[nodiscard]] std::uint32_t device(std::uint32_t node_index, std::uint32_t local) const {
        return first_device + node_index * static_cast<std::uint32_t>(node.gpus) + local;
    }
};

/// The ways between two GPUs of one node (numbers inside the group and inside the node).
class InsideNode {
  public:
    virtual ~InsideNode() = default;
    /// Appends the links. Throws ExperimentError when nothing joins the GPUs.
    virtual void route(std::uint32_t node, std::uint32_t from, std::uint32_t to, std::uint64_t flow,
                       Way& way) const = 0;
};

/// The PCIe part of all nodes of one kind: GPUs under PCIe switches, those under the processors; NICs hang on
/// the switches. Where the node kind gives no PCIe bandwidth the part is not there, and its ways are empty.
class PcieTree {
  public:
    /// In a pcie node a GPU's one link is also its way to the others.
    PcieTree(GraphWriter& writer, const PlacedNodes& nodes);

    [[nodiscard]] std::uint32_t switch_of(std::uint32_t local) const { return local / per_switch; }
    /// What the port of a NIC hangs on.
    [[nodiscard]] VertexId port_vertex(std::uint32_t node, std::uint32_t port) const;
    void between(std::uint32_t node, std::uint32_t from, std::uint32_t to, Way& way) const;
    /// From a GPU to what its port hangs on, or back.
    void to_port(std::uint32_t node, std::uint32_t local, Way& way) const;
    void from_port(std::uint32_t node, std::uint32_t local, Way& way) const;
    void host(std::uint32_t node, std::uint32_t local, bool to_host, Way& way) const;

  private:
    [[nodiscard]] LinkId gpu_link(std::uint32_t node, std::uint32_t local) const;
    [[nodiscard]] LinkId switch_link(std::uint32_t node, std::uint32_t pcie_switch) const;
    [[nodiscard]] std::uint32_t socket_of(std::uint32_t pcie_switch) const;
    void climb(std::uint32_t node, std::uint32_t from_switch, std::uint32_t to_switch, Way& way) const;
    [[nodiscard]] std::uint32_t switch_of_port(std::uint32_t port) const;

    PlacedNodes placed;
    bool there = false;
    std::uint32_t per_switch = 1;  ///< GPUs
    std::uint32_t switches = 0;    ///< a node
    std::uint32_t sockets = 1;
    VertexId first_switch = 0;
    LinkId first_gpu_link = 0;
    LinkId first_switch_link = 0;
    LinkId first_socket_link = 0;
};

std::unique_ptr<InsideNode> build_switched_node(GraphWriter& writer, const PlacedNodes& nodes);
std::unique_ptr<InsideNode> build_mesh_node(GraphWriter& writer, const PlacedNodes& nodes);
/// `tree` must outlive what is returned.
std::unique_ptr<InsideNode> build_pcie_node(const PcieTree& tree);

/// Where the network cards reach the fabric.
struct Ports {
    std::vector<VertexId> vertex;     ///< [port] what it hangs on
    std::vector<std::uint32_t> node;  ///< [port]
    std::vector<std::uint32_t> rail;  ///< [port] its number in the node
    std::vector<double> bandwidth;    ///< [port] each direction
    std::vector<double> latency_s;    ///< [port] one end
    std::uint32_t rails = 0;          ///< most ports of a node
    std::uint32_t nodes = 0;
};

/// The ways between two ports of different nodes.
class BetweenNodes {
  public:
    virtual ~BetweenNodes() = default;
    /// Whether a way joins ports of these two rails.
    [[nodiscard]] virtual bool joins(std::uint32_t /*rail_a*/, std::uint32_t /*rail_b*/) const {
        return true;
    }
    /// Appends the links, the ports' own among them.
    virtual void route(std::uint32_t from_port, std::uint32_t to_port, std::uint64_t flow,
                       Way& way) const = 0;
};

std::unique_ptr<BetweenNodes> build_fat_tree(GraphWriter& writer, const Ports& ports, const Fabric& fabric);
std::unique_ptr<BetweenNodes> build_rail_optimised(GraphWriter& writer, const Ports& ports,
                                                   const Fabric& fabric);
std::unique_ptr<BetweenNodes> build_rail_only(GraphWriter& writer, const Ports& ports, const Fabric& fabric);
std::unique_ptr<BetweenNodes> build_dragonfly(GraphWriter& writer, const Ports& ports, const Fabric& fabric);
std::unique_ptr<BetweenNodes> build_dragonfly_plus(GraphWriter& writer, const Ports& ports,
                                                   const Fabric& fabric);

/// The nodes of a cluster in their order.
std::vector<PlacedNodes> placed_nodes(const Cluster& cluster);

/// The devices of the cluster as a torus.
Graph build_torus(const Cluster& cluster);
/// Chips along x, y and z: the fabric's shape, or one as nearly a cube as can be, of sides that are multiples
/// of 4 where possible. Throws ExperimentError when the shape does not hold the devices.
std::array<std::uint32_t, 3> torus_shape(const Fabric& fabric, std::uint32_t devices);

/// The devices of the cluster, joined as its `custom` graph says (topologies/custom_graph.hpp).
Graph build_custom(const Cluster& cluster);

/// The graph of any cluster. Throws ExperimentError where its figures contradict each other.
Graph build_graph(const Cluster& cluster);

}  // namespace orrery::topologies
