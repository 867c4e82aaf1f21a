// topologies/bisection.hpp
//
// What a cluster's wires carry from one half of its devices to the other, however messages are routed: the
// capacity of a smallest cut (Ford and Fulkerson 1956), found by Dinic's algorithm on the graph after
// devices, chains and parallel links have been merged.
#pragma once

#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

/// The most that all devices with `side` true can send to those with false together, in bytes/s. `side` has
/// one entry a device. Host memory is a way only where it is asked for (nodes whose GPUs meet over PCIe).
double max_flow(const Graph& graph, const std::vector<bool>& side, bool through_hosts = false);

/// Bisection bandwidth: the least max_flow over the ways to halve the devices (of an odd number, the first
/// half has one less), each direction. Looks at the halves that the structure offers: the devices in order;
/// of a torus, across each dimension; of a node, and of a graph of up to 16 devices whatever it is, all of
/// them. For larger clusters of several kinds of nodes and graphs from a file it is an upper bound.
double bisection_bandwidth(const Cluster& cluster, const Graph& graph);

}  // namespace orrery::topologies
