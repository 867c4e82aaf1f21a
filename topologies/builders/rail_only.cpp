// topologies/builders/rail_only.cpp
//
// Rail-only network (Wang et al. 2023, arXiv 2307.12169): each rail has leaves and spines of its own, nothing
// joins the rails. A message to another rail first goes over NVLink to the GPU of that rail in the sender's
// node.
#include "topologies/builders/clos.hpp"

namespace orrery::topologies {

std::unique_ptr<BetweenNodes> build_rail_only(GraphWriter& writer, const Ports& ports, const Fabric& fabric) {
    return build_clos(writer, ports, fabric, Rails::separate);
}

}  // namespace orrery::topologies
