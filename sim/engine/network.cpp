#include "sim/engine/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "core/error.hpp"
#include "topologies/fabric.hpp"

namespace orrery::sim {

Network::Network(const topologies::Cluster& cluster) : on(cluster) {
    const auto add = [this](const std::string& name, double bandwidth) {
        all.push_back({name + " out", bandwidth});
        all.push_back({name + " in", bandwidth});
    };
    const topologies::Node& node = on.node;
    for (int d = 0; d < on.devices(); ++d) add(fmt::format("gpu {}", d), node.gpu_link_bandwidth);
    first_nic = static_cast<std::uint32_t>(all.size());
    for (int n = 0; n < on.nodes; ++n)
        for (int i = 0; i < node.nics; ++i) add(fmt::format("node {} nic {}", n, i), node.nic_bandwidth);
    first_leaf = static_cast<std::uint32_t>(all.size());
    const int per_leaf = on.fabric.nodes_per_leaf;
    if (per_leaf <= 0) return;
    for (int l = 0; l * per_leaf < on.nodes; ++l)
        add(fmt::format("leaf {}", l),
            per_leaf * node.nics * node.nic_bandwidth / on.fabric.oversubscription);
}

std::uint32_t Network::gpu(std::uint32_t device) const {
    return 2 * device;
}

std::uint32_t Network::nic(std::uint32_t device) const {
    const auto gpus = static_cast<std::uint32_t>(on.node.gpus);
    const auto nics = static_cast<std::uint32_t>(on.node.nics);
    return first_nic + 2 * (device / gpus * nics + device % gpus * nics / gpus);
}

std::uint32_t Network::leaf(std::uint32_t device) const {
    const int per_leaf = on.fabric.nodes_per_leaf;
    return per_leaf <= 0 ? first_leaf
                         : first_leaf + 2 * static_cast<std::uint32_t>(on.node_of(device) / per_leaf);
}

NetworkRoute Network::route(std::uint32_t from, std::uint32_t to) const {
    const auto devices = static_cast<std::uint32_t>(on.devices());
    if (from >= devices || to >= devices)
        throw ExperimentError(fmt::format("the program uses device {}, but cluster {} has {} devices",
                                          from >= devices ? from : to, on.name, devices));
    if (from == to) return {};
    if (on.node_of(from) == on.node_of(to)) {
        if (on.node.gpu_link_bandwidth <= 0)
            throw ExperimentError(fmt::format("node {} has no link between its GPUs", on.node.name));
        return {on.node.gpu_link_latency_s, {gpu(from), gpu(to) + 1}};
    }
    if (on.node.nics <= 0 || on.node.nic_bandwidth <= 0)
        throw ExperimentError(fmt::format("node {} has no network card to reach other nodes", on.node.name));
    const int hops = topologies::switch_hops(on.fabric, on.node_of(from), on.node_of(to));
    const double latency = 2 * on.node.nic_latency_s + hops * on.fabric.switch_latency_s;
    if (leaf(from) == leaf(to)) return {latency, {nic(from), nic(to) + 1}};
    return {latency, {nic(from), leaf(from), leaf(to) + 1, nic(to) + 1}};
}

std::vector<std::vector<std::uint32_t>> Network::rings(const std::vector<std::uint32_t>& devices) const {
    // How many of the devices lie in a node, if it is the same number everywhere and they follow each other.
    const auto node = [this](std::uint32_t device) { return on.node_of(device); };
    std::size_t in_node = 0;
    while (in_node < devices.size() && node(devices[in_node]) == node(devices[0])) ++in_node;
    if (in_node < 2 || in_node == devices.size() || devices.size() % in_node != 0) return {devices};
    std::set<int> nodes;
    for (std::size_t i = 0; i < devices.size(); i += in_node) {
        const bool together = std::all_of(devices.begin() + static_cast<std::ptrdiff_t>(i),
                                          devices.begin() + static_cast<std::ptrdiff_t>(i + in_node),
                                          [&](std::uint32_t d) { return node(d) == node(devices[i]); });
        if (!together || !nodes.insert(node(devices[i])).second) return {devices};
    }
    std::set<std::uint32_t> nics;
    for (std::size_t i = 0; i < in_node; ++i) nics.insert(nic(devices[i]));

    std::vector<std::vector<std::uint32_t>> result;
    for (std::size_t ring = 0; ring < nics.size(); ++ring) {
        std::vector<std::uint32_t>& order = result.emplace_back();
        for (std::size_t i = 0; i < devices.size(); ++i)
            order.push_back(devices[i / in_node * in_node + (i + ring * in_node / nics.size()) % in_node]);
    }
    return result;
}

}  // namespace orrery::sim
