// topologies/picture.hpp
//
// A cluster as an SVG picture by its structure: a row a level (cores, spines, leaves or routers, nodes), of
// each the first few and the last, with the cables between those that are drawn, and what is left out in
// words; below it one node from inside. A torus is drawn as its lattice, up to 4 chips along each side.
#pragma once

#include <string>

#include "topologies/cluster.hpp"
#include "topologies/graph.hpp"

namespace orrery::topologies {

/// The whole SVG document. Links on `way` (of a route to show) are drawn bold.
std::string cluster_svg(const Cluster& cluster, const Graph& graph, const Way& way = {});

}  // namespace orrery::topologies
