// topologies/picture.hpp
//
// A cluster as an SVG picture by its structure: a row a level (cores, spines, leaves or routers, nodes), of
// each the first few and the last, with the cables between those that are drawn, and what is left out in
// words; below it one node from inside. A torus is drawn as its lattice, up to 4 chips along each side.
#pragma once

#include <string>
#include <vector>

#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

/// The whole SVG document. Links on `way` (of a route to show) are drawn bold.
std::string cluster_svg(const Cluster& cluster, const Graph& graph, const Way& way = {});

/// How busy a link was.
struct LinkHeat {
    double share = 0;  ///< of the darkest shade, 0 to 1; 0: nothing passed
    std::string
        words;  ///< what the picture says when pointed at: "node 0 nic 3 out: 1.2 GB, 34% of the step"
};

struct ClusterHeat {
    std::vector<LinkHeat> links;  ///< [link of the graph]
    std::string darkest;          ///< what the darkest shade stands for: "34% of the step"
};

/// The same picture for a report's page, in the shades of its style sheet (h1 to h10, rule, panel): each
/// cable in the shade of its busier direction. Drawn are the switches and nodes at the busiest links, and
/// inside the node whose own links were busiest.
std::string cluster_heat_svg(const Cluster& cluster, const Graph& graph, const ClusterHeat& heat);

}  // namespace orrery::topologies
