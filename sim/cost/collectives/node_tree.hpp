// sim/cost/collectives/node_tree.hpp
//
// The double binary tree over nodes that tree and nvls-tree share (see tree.cpp for the derivation).
#pragma once

#include <bit>

namespace orrery::sim {

/// Levels from a leaf to the root: ceil(log2 nodes).
inline int node_tree_depth(int nodes) {
    return static_cast<int>(std::bit_width(static_cast<unsigned>(nodes - 1)));
}

/// How many times its buffer the busiest node sends in an all-reduce.
inline double node_tree_buffers_sent(int nodes) {
    return nodes <= 1 ? 0 : nodes == 2 ? 1 : 2;
}

}  // namespace orrery::sim
