// topologies/builders/fat_tree.cpp
//
// Fat tree (Leiserson 1985; of k-port switches: Al-Fares et al. 2008): all NICs of a node on one leaf, or on
// a leaf set that is seen as one. Two levels, or three with pods.
#include "topologies/builders/clos.hpp"

namespace orrery::topologies {

std::unique_ptr<BetweenNodes> build_fat_tree(GraphWriter& writer, const Ports& ports, const Fabric& fabric) {
    return build_clos(writer, ports, fabric, Rails::joined_at_leaf);
}

}  // namespace orrery::topologies
