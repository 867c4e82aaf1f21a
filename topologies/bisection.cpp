#include "topologies/bisection.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

constexpr std::uint32_t kAllHalvesUpTo = 16;  ///< devices: 6,435 halves

std::vector<bool> first_half(std::uint32_t devices) {
    std::vector<bool> side(devices, false);
    std::fill_n(side.begin(), devices / 2, true);
    return side;
}

double least_of_all_halves(const Graph& graph, bool through_hosts) {
    const std::uint32_t n = graph.devices();
    double least = std::numeric_limits<double>::infinity();
    std::vector<bool> side = first_half(n);
    std::sort(side.begin(), side.end());
    do {
        // Of an even number each half is seen from both sides; the graph is the same both ways.
        if (n % 2 == 0 && !side[0]) continue;
        least = std::min(least, max_flow(graph, side, through_hosts));
    } while (std::next_permutation(side.begin(), side.end()));
    return least;
}

/// Across each dimension of even length.
double least_across(const Graph& graph, const std::array<std::uint32_t, 3>& shape) {
    double least = max_flow(graph, first_half(graph.devices()));
    std::uint32_t stride = 1;
    for (const std::uint32_t length : shape) {
        std::vector<bool> side(graph.devices());
        for (std::uint32_t v = 0; v < graph.devices(); ++v) side[v] = v / stride % length < length / 2;
        if (length % 2 == 0) least = std::min(least, max_flow(graph, side));
        stride *= length;
    }
    return least;
}

}  // namespace

double bisection_bandwidth(const Cluster& cluster, const Graph& graph) {
    const std::uint32_t devices = graph.devices();
    if (devices < 2) return 0;
    const bool through_hosts = cluster.node.fabric == NodeFabric::pcie && !cluster.custom;
    if (devices <= kAllHalvesUpTo) return least_of_all_halves(graph, through_hosts);
    if (cluster.fabric.kind == FabricKind::torus && !cluster.custom)
        return least_across(graph, torus_shape(cluster.fabric, devices));
    return max_flow(graph, first_half(devices), through_hosts);
}

}  // namespace orrery::topologies
