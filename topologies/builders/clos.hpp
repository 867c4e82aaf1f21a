// topologies/builders/clos.hpp
//
// Leaves under spines under cores (Clos 1953, as data-centre networks use it: Leiserson 1985, Al-Fares et al.
// 2008), what fat trees, rail-optimised and rail-only fabrics have in common. They differ in which leaf a NIC
// hangs on and in which leaves share spines:
//
//                      leaves of a unit      spines
//   fat tree           one                   shared
//   rail-optimised     one a rail            shared by the rails
//   rail-only          one a rail            each rail has its own
//
// A unit is the nodes under one leaf set (a scalable unit of a SuperPOD), a pod the units under one set of
// spines; pods meet in cores, spine s of every pod in the same ones. Above the leaf there is
// 1 / oversubscription of what hangs below it, above the spine 1 / core_oversubscription of that.
//
// With adaptive routing all ways are used alike, so the cables from a leaf to its spines are one ("leaf 3"),
// and so are those from a pod to the cores ("pod 1"). Otherwise every leaf has a cable to each spine of its
// pod.
#pragma once

#include "topologies/builders/builders.hpp"

namespace orrery::topologies {

enum class Rails : std::uint8_t { joined_at_leaf, joined_at_spine, separate };

std::unique_ptr<BetweenNodes> build_clos(GraphWriter& writer, const Ports& ports, const Fabric& fabric,
                                         Rails rails);

}  // namespace orrery::topologies
