// topologies/builders/pcie_node.cpp
//
// PCIe: GPUs and NICs under PCIe switches, the switches under processors (sockets), which are joined to each
// other. In a node without NVLink it is also the way from GPU to GPU: up to the first switch or processor
// that both have in common and down again. In other nodes it carries what goes to NICs and to the host.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

std::uint32_t gpus_per_switch(const Node& node) {
    if (node.gpus_per_pcie_switch > 0) return static_cast<std::uint32_t>(node.gpus_per_pcie_switch);
    if (node.fabric == NodeFabric::pcie || node.ports() == 0) return static_cast<std::uint32_t>(node.gpus);
    return static_cast<std::uint32_t>((node.gpus + node.ports() - 1) / node.ports());
}

class PcieNode : public InsideNode {
  public:
    explicit PcieNode(const PcieTree& pcie) : tree(pcie) {}
    void route(std::uint32_t node, std::uint32_t from, std::uint32_t to, std::uint64_t /*flow*/,
               Way& way) const override {
        tree.between(node, from, to, way);
    }

  private:
    const PcieTree& tree;
};

}  // namespace

PcieTree::PcieTree(GraphWriter& writer, const PlacedNodes& nodes) : placed(nodes) {
    const Node& node = nodes.node;
    const bool only_way = node.fabric == NodeFabric::pcie;
    // Of a pcie node the GPU's link carries everything; elsewhere it is the link beside NVLink.
    const double gpu = only_way ? node.gpu_link_bandwidth : node.pcie_bandwidth;
    per_switch = gpus_per_switch(node);
    const auto gpus = static_cast<std::uint32_t>(node.gpus);
    switches = (gpus + per_switch - 1) / per_switch;
    sockets = std::max<std::uint32_t>(
        1, std::min<std::uint32_t>(static_cast<std::uint32_t>(node.sockets), switches));
    first_switch = writer.add_vertices(VertexKind::pcie_switch, nodes.nodes * switches,
                                       numbered("node {} pcie {}", {switches}, nodes.first_node * switches));
    there = gpu > 0;
    if (!there) return;

    writer.begin_cables(numbered(only_way ? "gpu {}" : "gpu {} pcie", {}, nodes.first_device));
    first_gpu_link = writer.graph().links();
    const double latency = only_way ? node.gpu_link_latency_s / 2 : 0;
    for (std::uint32_t i = 0; i < nodes.nodes * gpus; ++i)
        writer.connect(nodes.first_device + i, first_switch + i / gpus * switches + i % gpus / per_switch,
                       {gpu, latency, Tier::pcie});

    const VertexId first_host =
        writer.add_vertices(VertexKind::host, nodes.nodes * sockets,
                            numbered("node {} host {}", {sockets}, nodes.first_node * sockets));
    writer.begin_cables(numbered("node {} host link {}", {switches}, nodes.first_node * switches));
    first_switch_link = writer.graph().links();
    const double up = node.pcie_switch_bandwidth > 0 ? node.pcie_switch_bandwidth : node.pcie_bandwidth;
    for (std::uint32_t i = 0; i < nodes.nodes * switches; ++i)
        writer.connect(first_switch + i, first_host + i / switches * sockets + socket_of(i % switches),
                       {up > 0 ? up : gpu, std::max(0.0, node.pcie_latency_s - latency), Tier::pcie});

    if (sockets < 2) return;
    writer.begin_cables(numbered("node {} sockets {}", {sockets - 1}, nodes.first_node * (sockets - 1)));
    first_socket_link = writer.graph().links();
    for (std::uint32_t n = 0; n < nodes.nodes; ++n)
        for (std::uint32_t s = 0; s + 1 < sockets; ++s)
            writer.connect(first_host + n * sockets + s, first_host + n * sockets + s + 1,
                           {node.socket_bandwidth > 0 ? node.socket_bandwidth : up, 0, Tier::xgmi});
}

LinkId PcieTree::gpu_link(std::uint32_t node, std::uint32_t local) const {
    return first_gpu_link + 2 * (node * static_cast<std::uint32_t>(placed.node.gpus) + local);
}

LinkId PcieTree::switch_link(std::uint32_t node, std::uint32_t pcie_switch) const {
    return first_switch_link + 2 * (node * switches + pcie_switch);
}

std::uint32_t PcieTree::socket_of(std::uint32_t pcie_switch) const {
    return pcie_switch * sockets / switches;
}

std::uint32_t PcieTree::switch_of_port(std::uint32_t port) const {
    // The switch of the first GPU that uses the port.
    const auto gpus = static_cast<std::uint32_t>(placed.node.gpus);
    const auto ports = static_cast<std::uint32_t>(placed.node.ports());
    return switch_of((port * gpus + ports - 1) / ports);
}

VertexId PcieTree::port_vertex(std::uint32_t node, std::uint32_t port) const {
    return first_switch + node * switches + switch_of_port(port);
}

/// From one switch of a node to another, over their processors.
void PcieTree::climb(std::uint32_t node, std::uint32_t from, std::uint32_t to, Way& way) const {
    if (from == to) return;
    way.push_back(switch_link(node, from));
    const std::uint32_t last = socket_of(to);
    for (std::uint32_t s = socket_of(from); s != last; s < last ? ++s : --s) {
        const std::uint32_t lower = s < last ? s : s - 1;
        way.push_back(first_socket_link + 2 * (node * (sockets - 1) + lower) + (s < last ? 0 : 1));
    }
    way.push_back(switch_link(node, to) + 1);
}

void PcieTree::between(std::uint32_t node, std::uint32_t from, std::uint32_t to, Way& way) const {
    if (!there) throw ExperimentError(fmt::format("node {} has no link between its GPUs", placed.node.name));
    way.push_back(gpu_link(node, from));
    climb(node, switch_of(from), switch_of(to), way);
    way.push_back(gpu_link(node, to) + 1);
}

void PcieTree::to_port(std::uint32_t node, std::uint32_t local, Way& way) const {
    if (!there) return;
    way.push_back(gpu_link(node, local));
    const int port = placed.node.port_of(static_cast<int>(local));
    climb(node, switch_of(local), switch_of_port(static_cast<std::uint32_t>(port)), way);
}

void PcieTree::from_port(std::uint32_t node, std::uint32_t local, Way& way) const {
    if (!there) return;
    const int port = placed.node.port_of(static_cast<int>(local));
    climb(node, switch_of_port(static_cast<std::uint32_t>(port)), switch_of(local), way);
    way.push_back(gpu_link(node, local) + 1);
}

void PcieTree::host(std::uint32_t node, std::uint32_t local, bool to_host, Way& way) const {
    if (!there) return;
    const LinkId up = switch_link(node, switch_of(local));
    if (to_host) {
        way.insert(way.end(), {gpu_link(node, local), up});
    } else {
        way.insert(way.end(), {up + 1, gpu_link(node, local) + 1});
    }
}

std::unique_ptr<InsideNode> build_pcie_node(const PcieTree& tree) {
    return std::make_unique<PcieNode>(tree);
}

}  // namespace orrery::topologies
