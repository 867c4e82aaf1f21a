// sim/engine/collective_steps/tree.cpp
//
// Double binary trees (Sanders, Speck and Traff 2009; NCCL since 2.4) over the nodes, chains inside them:
// all-reduce, in two trees for each way of choosing which member of a node talks to other nodes, so that all
// NICs work. Each tree reduces its share to its root and sends it back down, in pieces. A node is inside one
// of the two trees and a leaf of the other, so over both it sends (and receives) at most twice the buffer.
#include <algorithm>
#include <array>
#include <bit>

#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

/// In-order numbered tree over 1 .. n-1 below root 0: a node's height is the number of its trailing zeros, so
/// odd ones are leaves.
std::uint32_t in_order_parent(std::uint32_t n, std::uint32_t node) {
    if (node == 0) return 0;
    const std::uint32_t low = node & (~node + 1);
    const std::uint32_t up = (node ^ low) | (low << 1);
    return up < n ? up : node ^ low;
}

/// A full binary tree over low .. high - 1 (an odd count), numbered in order, so that even ones are leaves.
/// Sets the parents below its root, which it returns.
std::uint32_t full_tree(std::uint32_t low, std::uint32_t high, std::vector<std::uint32_t>& parent) {
    const std::uint32_t inner = (high - low) / 2;
    if (inner == 0) return low;
    const std::uint32_t root = low + 2 * (inner / 2) + 1;
    parent[full_tree(low, root, parent)] = root;
    parent[full_tree(root + 1, high, parent)] = root;
    return root;
}

/// One tree over all members: each one's parent (its own for the root).
struct MemberTree {
    std::vector<std::uint32_t> parent;
    std::vector<std::vector<std::uint32_t>> children;
};

MemberTree member_tree(const std::vector<std::vector<std::uint32_t>>& nodes,
                       const std::vector<std::uint32_t>& node_parent, std::uint32_t speaker) {
    std::size_t members = 0;
    for (const auto& node : nodes) members += node.size();
    MemberTree tree{std::vector<std::uint32_t>(members), std::vector<std::vector<std::uint32_t>>(members)};
    const auto first = [&](std::size_t node) { return nodes[node][speaker % nodes[node].size()]; };
    for (std::size_t m = 0; m < nodes.size(); ++m) {
        const std::size_t r = nodes[m].size();
        tree.parent[first(m)] = first(node_parent[m]);
        for (std::size_t i = 1; i < r; ++i)
            tree.parent[nodes[m][(speaker + i) % r]] = nodes[m][(speaker + i - 1) % r];
    }
    for (std::uint32_t i = 0; i < members; ++i)
        if (tree.parent[i] != i) tree.children[tree.parent[i]].push_back(i);
    return tree;
}

/// The lanes of one tree: up, and down one a child. The root turns each piece around.
void tree_lanes(MessageListBuilder& builder, const MemberTree& tree, std::uint32_t channel,
                std::uint32_t channels, std::uint32_t pieces) {
    for (std::uint32_t i = 0; i < tree.parent.size(); ++i) {
        const bool root = tree.parent[i] == i;
        const auto receive_children = [&] {
            for (const std::uint32_t child : tree.children[i]) builder.receive(child, channel);
        };
        if (!root) {
            builder.lane(i);
            for (std::uint32_t piece = 0; piece < pieces; ++piece) {
                receive_children();
                builder.send(tree.parent[i], {piece * channels + channel, 1, true}, channel);
            }
            builder.lane(i);
            for (std::uint32_t piece = 0; piece < pieces; ++piece) builder.receive(tree.parent[i], channel);
        }
        for (const std::uint32_t child : tree.children[i]) {
            builder.lane(i);
            for (std::uint32_t piece = 0; piece < pieces; ++piece) {
                root ? receive_children() : builder.receive(tree.parent[i], channel);
                builder.send(child, {piece * channels + channel, 1, false}, channel);
            }
        }
    }
}

}  // namespace

std::array<std::vector<std::uint32_t>, 2> double_tree_parents(std::uint32_t n) {
    std::array<std::vector<std::uint32_t>, 2> parents{std::vector<std::uint32_t>(n),
                                                      std::vector<std::uint32_t>(n)};
    for (std::uint32_t i = 0; i < n; ++i) {
        parents[0][i] = in_order_parent(n, i);
        parents[1][i] =
            n - 1 - in_order_parent(n, n - 1 - i);  // mirrored: even ones are leaves, if n is even
    }
    if (n % 2 != 0) {
        const std::uint32_t root = full_tree(0, n, parents[1]);
        parents[1][root] = root;
    }
    return parents;
}

Messages tree_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    if (request.kind != CollectiveKind::all_reduce && request.kind != CollectiveKind::barrier)
        return std::nullopt;
    const auto nodes = places.by_node();
    std::size_t most = 0;
    for (const auto& node : nodes) most = std::max(most, node.size());
    const auto count = static_cast<std::uint32_t>(nodes.size());
    const auto depth =
        static_cast<std::uint32_t>(most) - 1 + static_cast<std::uint32_t>(std::bit_width(count - 1));
    const std::uint32_t pieces = request.kind == CollectiveKind::barrier ? 1 : kPiecesPerHop * depth;
    const auto channels = 2 * static_cast<std::uint32_t>(most);
    const auto parents = double_tree_parents(count);
    MessageListBuilder builder = equal_blocks(request, places, pieces * channels);
    for (std::uint32_t c = 0; c < channels; ++c)
        tree_lanes(builder, member_tree(nodes, parents[c % 2], c / 2), c, channels, pieces);
    return builder.finish();
}

}  // namespace orrery::sim
