// topologies/builders/rail_optimised.cpp
//
// Rail-optimised fat tree (NVIDIA DGX SuperPOD reference architecture): NIC i of every node of a unit hangs
// on the unit's leaf i, so GPUs of one rail are one switch apart; other pairs meet in a spine.
#include "topologies/builders/clos.hpp"

namespace orrery::topologies {

std::unique_ptr<BetweenNodes> build_rail_optimised(GraphWriter& writer, const Ports& ports,
                                                   const Fabric& fabric) {
    return build_clos(writer, ports, fabric, Rails::joined_at_spine);
}

}  // namespace orrery::topologies
