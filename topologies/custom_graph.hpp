// topologies/custom_graph.hpp
//
// A network as a user writes it down:
//
//     routing: ecmp                # or fixed: how a message chooses among equally short ways
//     switches: [leaf 0..3, spine 0..1]
//     links:
//       - {from: gpu 0..7, to: leaf 0, bandwidth: 50e9, latency_s: 1.5e-6, tier: nic}
//       - {from: leaf 0..3, to: spine 0..1, bandwidth: 100e9, latency_s: 3e-7, tier: leaf}
//
// "gpu N" is a device of the cluster; "leaf 0..3" stands for leaf 0, leaf 1, leaf 2, leaf 3. A link with
// several ends joins each with each. Links go both ways; `bandwidth_back` makes the other direction
// different. Messages take the ways whose links' `metric` (1 where not given) sum up to the least; GPUs pass
// nothing on unless `gpus_forward` says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/schema.hpp"
#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

struct CustomWire {
    VertexId a = 0;  ///< devices first, then switches
    VertexId b = 0;
    Cable cable;
    double bandwidth_back = 0;
    std::uint32_t metric = 1;
};

struct CustomGraph {
    std::uint32_t devices = 0;
    std::vector<std::string> switches;
    std::vector<CustomWire> wires;
    Routing routing = Routing::ecmp;
    bool gpus_forward = false;
};

/// A graph of that many devices from a map, or from the file that a text names. Throws InputError at the
/// place of the first mistake: an unknown switch (with the nearest), a device that is not there, too large a
/// graph.
CustomGraph read_custom_graph(const yaml::Node& written, const std::string& key, int devices);

/// JSON Schema of the value: a path, or the map.
schema::Shape custom_graph_shape();

}  // namespace orrery::topologies
