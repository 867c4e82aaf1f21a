// sim/engine/collective_steps/in_network.cpp
//
// Switches that add and copy. A switch is a position of its own.
//   nvls, one node (NVLink SHARP, NCCL's NVLS): each member owns an n-th of the buffer. All-reduce: the
//   switch
//     fetches that part from all and hands the owner the sum (reduce-scatter ends here), the owner gives it
//     back and the switch copies it to all (all-gather begins here). A member's link carries out (n + 1)/n
//     buffers.
//   nvls-tree, several nodes (NCCL's NVLSTree): the same inside each node, a double binary tree over the
//   nodes
//     for each owner's part between the two halves.
//   sharp (network SHARP; Graham et al. 2016): an all-reduce in which the members of a node first give each
//   its
//     part of the buffer directly; that part goes through the NIC to the leaf switch, from the leaves to a
//     root which adds them, and back the same way. A NIC carries each part once, out and in.
#include <algorithm>

#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

using Nodes = std::vector<std::vector<std::uint32_t>>;

struct Pieces {
    std::uint32_t parts;   ///< of the buffer, one an owner
    std::uint32_t pieces;  ///< of each part
    [[nodiscard]] BlockRange of(std::uint32_t part, std::uint32_t piece, bool reduce) const {
        return {part * pieces + piece, 1, reduce};
    }
};

/// Members to their node's switch: their contribution to every part. And what the switch makes of it: to each
/// part's owner.
void fetch(MessageListBuilder& builder, const std::vector<std::uint32_t>& node, std::uint32_t node_switch,
           const Pieces& cut) {
    for (const std::uint32_t member : node) {
        builder.lane(member);
        for (std::uint32_t piece = 0; piece < cut.pieces; ++piece)
            for (std::uint32_t part = 0; part < cut.parts; ++part)
                builder.send(node_switch, cut.of(part, piece, true), part);
    }
    for (std::uint32_t part = 0; part < cut.parts; ++part) {
        builder.lane(node_switch);
        for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
            for (const std::uint32_t member : node) builder.receive(member, part);
            builder.send(node[part], cut.of(part, piece, false), 0);
        }
    }
}

/// Owners to the switch (after `ready`, which posts what a piece waits for), and the switch's copies to all.
template <class Ready>
void spread(MessageListBuilder& builder, const std::vector<std::uint32_t>& node, std::uint32_t node_switch,
            const Pieces& cut, Ready ready) {
    const std::uint32_t tag = cut.parts;  // apart from what fetch sends
    for (std::uint32_t part = 0; part < cut.parts; ++part) {
        builder.lane(node[part]);
        for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
            ready(part, piece);
            builder.send(node_switch, cut.of(part, piece, false), tag);
        }
        for (std::uint32_t to = 0; to < node.size(); ++to) {
            builder.lane(node_switch);
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                builder.receive(node[part], tag);
                builder.send(node[to], cut.of(part, piece, false), 1 + part);
            }
            builder.lane(node[to]);
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) builder.receive(node_switch, 1 + part);
        }
    }
}

/// Up and down the tree over nodes for the owners of one part. Tags from `tag` on.
struct PartTree {
    std::vector<std::uint32_t> owner;   ///< [node]
    std::vector<std::uint32_t> parent;  ///< [node]
    std::uint32_t up_tag;

    [[nodiscard]] std::vector<std::uint32_t> children(std::uint32_t node) const {
        std::vector<std::uint32_t> result;
        for (std::uint32_t other = 0; other < parent.size(); ++other)
            if (other != node && parent[other] == node) result.push_back(other);
        return result;
    }
};

/// Pieces with the parity of the tree.
void tree_lanes(MessageListBuilder& builder, const PartTree& tree, std::uint32_t node,
                std::uint32_t node_switch, const Pieces& cut, std::uint32_t part, std::uint32_t parity) {
    const std::uint32_t self = tree.owner[node];
    const bool root = tree.parent[node] == node;
    const auto children = tree.children(node);
    const auto receive_up = [&](std::uint32_t piece) {
        // The switch's messages come in order of pieces: wait for all up to this one.
        for (std::uint32_t k = piece < 2 ? 0 : piece - 1; k <= piece; ++k) builder.receive(node_switch, 0);
        for (const std::uint32_t child : children) builder.receive(tree.owner[child], tree.up_tag);
    };
    if (!root) {
        builder.lane(self);
        for (std::uint32_t piece = parity; piece < cut.pieces; piece += 2) {
            receive_up(piece);
            builder.send(tree.owner[tree.parent[node]], cut.of(part, piece, true), tree.up_tag);
        }
    }
    for (const std::uint32_t child : children) {
        builder.lane(self);
        for (std::uint32_t piece = parity; piece < cut.pieces; piece += 2) {
            root ? receive_up(piece) : builder.receive(tree.owner[tree.parent[node]], tree.up_tag + 1);
            builder.send(tree.owner[child], cut.of(part, piece, false), tree.up_tag + 1);
        }
    }
}

}  // namespace

Messages nvls_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    using Kind = CollectiveKind;
    const Nodes nodes = places.by_node();
    const bool reduce = request.kind == Kind::all_reduce || request.kind == Kind::reduce_scatter;
    const bool copy = request.kind == Kind::all_reduce || request.kind == Kind::all_gather;
    if (nodes.size() != 1 || !(reduce || copy)) return std::nullopt;
    const Pieces cut{places.members(), 1};
    MessageListBuilder builder = equal_blocks(request, places, cut.parts * cut.pieces);
    const std::uint32_t nvswitch = builder.add_switch({SwitchPlace::Level::node, 0});
    if (reduce) fetch(builder, nodes[0], nvswitch, cut);
    if (copy)
        spread(builder, nodes[0], nvswitch, cut, [&](std::uint32_t, std::uint32_t) {
            if (reduce) builder.receive(nvswitch, 0);
        });
    for (const std::uint32_t member : nodes[0]) {
        if (copy) break;
        builder.lane(member);
        for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) builder.receive(nvswitch, 0);
    }
    return builder.finish();
}

Messages nvls_tree_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    const Nodes grid = places.grid();
    if (grid.empty() || request.kind != CollectiveKind::all_reduce) return std::nullopt;
    const Pieces cut{static_cast<std::uint32_t>(grid[0].size()), 4 * kPiecesPerHop};
    MessageListBuilder builder = equal_blocks(request, places, cut.parts * cut.pieces);
    const auto parents = double_tree_parents(static_cast<std::uint32_t>(grid.size()));
    std::vector<std::uint32_t> switches;
    for (const auto& node : grid) switches.push_back(builder.add_switch({SwitchPlace::Level::node, node[0]}));
    for (std::uint32_t m = 0; m < grid.size(); ++m) {
        fetch(builder, grid[m], switches[m], cut);
        const auto tree_of = [&](std::uint32_t part, std::uint32_t parity) {
            PartTree tree{{}, parents[parity], 1000 + 2 * parity};
            for (const auto& node : grid) tree.owner.push_back(node[part]);
            return tree;
        };
        for (std::uint32_t part = 0; part < cut.parts; ++part)
            for (const std::uint32_t parity : {0U, 1U})
                tree_lanes(builder, tree_of(part, parity), m, switches[m], cut, part, parity);
        spread(builder, grid[m], switches[m], cut, [&](std::uint32_t part, std::uint32_t piece) {
            const PartTree tree = tree_of(part, piece % 2);
            const bool root = tree.parent[m] == m;
            builder.receive(switches[m], 0);  // in order: this piece is here
            if (!root) return builder.receive(tree.owner[tree.parent[m]], tree.up_tag + 1);
            for (const std::uint32_t child : tree.children(m))
                builder.receive(tree.owner[child], tree.up_tag);
        });
    }
    return builder.finish();
}

Messages sharp_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    const Nodes nodes = places.by_node();
    const bool equal = std::ranges::all_of(nodes, [&](const auto& n) { return n.size() == nodes[0].size(); });
    if (nodes.size() < 2 || !equal || request.kind != CollectiveKind::all_reduce) return std::nullopt;
    const Pieces cut{static_cast<std::uint32_t>(nodes[0].size()), kPiecesPerHop};
    MessageListBuilder builder = equal_blocks(request, places, cut.parts * cut.pieces);
    const std::uint32_t leaves = *std::ranges::max_element(places.leaf) + 1;
    std::vector<std::vector<std::uint32_t>> below(leaves);  // nodes
    for (std::uint32_t m = 0; m < nodes.size(); ++m) below[places.leaf[nodes[m][0]]].push_back(m);
    std::vector<std::uint32_t> leaf_switch;
    for (const auto& leaf : below)
        leaf_switch.push_back(builder.add_switch({SwitchPlace::Level::leaf, nodes[leaf[0]][0]}));
    const std::uint32_t root =
        leaves > 1 ? builder.add_switch({SwitchPlace::Level::root, 0}) : leaf_switch[0];

    for (std::uint32_t m = 0; m < nodes.size(); ++m)
        for (std::uint32_t part = 0; part < cut.parts; ++part) {
            const auto& node = nodes[m];
            const std::uint32_t self = node[part];
            builder.lane(self);  // the others' parts
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece)
                for (std::uint32_t k = 1; k < cut.parts; ++k)
                    builder.send(node[(part + k) % cut.parts], cut.of((part + k) % cut.parts, piece, true),
                                 0);
            builder.lane(self);  // its own, through the network
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                for (std::uint32_t k = 1; k < cut.parts; ++k)
                    builder.receive(node[(part + k) % cut.parts], 0);
                builder.send(leaf_switch[places.leaf[self]], cut.of(part, piece, true), part);
            }
            builder.lane(self);  // the sum, to the others
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                builder.receive(leaf_switch[places.leaf[self]], part);
                for (std::uint32_t k = 1; k < cut.parts; ++k)
                    builder.send(node[(part + k) % cut.parts], cut.of(part, piece, false), 1);
            }
            builder.lane(self);
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece)
                for (std::uint32_t k = 1; k < cut.parts; ++k)
                    builder.receive(node[(part + k) % cut.parts], 1);
        }

    for (std::uint32_t part = 0; part < cut.parts; ++part) {
        for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
            const auto receive_below = [&] {
                for (const std::uint32_t m : below[leaf]) builder.receive(nodes[m][part], part);
            };
            if (leaves > 1) {
                builder.lane(leaf_switch[leaf]);
                for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                    receive_below();
                    builder.send(root, cut.of(part, piece, true), part);
                }
            }
            for (const std::uint32_t m : below[leaf]) {
                builder.lane(leaf_switch[leaf]);
                for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                    leaves > 1 ? builder.receive(root, part) : receive_below();
                    builder.send(nodes[m][part], cut.of(part, piece, false), part);
                }
            }
        }
        for (std::uint32_t leaf = 0; leaf < leaves && leaves > 1; ++leaf) {
            builder.lane(root);
            for (std::uint32_t piece = 0; piece < cut.pieces; ++piece) {
                for (std::uint32_t other = 0; other < leaves; ++other)
                    builder.receive(leaf_switch[other], part);
                builder.send(leaf_switch[leaf], cut.of(part, piece, false), part);
            }
        }
    }
    return builder.finish();
}

}  // namespace orrery::sim
