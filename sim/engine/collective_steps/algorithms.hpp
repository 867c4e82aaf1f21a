// sim/engine/collective_steps/algorithms.hpp
//
// Collective algorithms as messages: one file a family, one row each in the table of collective_messages.cpp.
//
// Contract of an algorithm: two members or more; the list it returns brings every member what the collective
// promises (tests/sim/collective_messages_test.cpp follows every block), or nothing when the algorithm does
// not do this collective on members placed so. Block b of an all-gather, reduce-scatter or all-reduce is the
// b-th of equal parts of the buffer, in order; member i owns the i-th of n equal shares of them. Block
// i * n + j of an exchange is what member i sends to member j; of a gather or scatter, block i is member i's.
#pragma once

#include <optional>
#include <vector>

#include "sim/engine/collective_steps/message_list.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

/// Filling and draining a chain or tree costs about 1/kPiecesPerHop of the transfer for each hop of its
/// depth.
inline constexpr std::uint32_t kPiecesPerHop = 8;

/// Members by place. Ids are dense, in order of first appearance.
struct MemberPlaces {
    std::vector<std::uint32_t> node;  ///< [member]
    std::vector<std::uint32_t> leaf;  ///< [member] of the network
    /// The rings that ring algorithms run on side by side, each with a share of the bytes: orders of the
    /// members.
    std::vector<std::vector<std::uint32_t>> rings;

    [[nodiscard]] std::uint32_t members() const { return static_cast<std::uint32_t>(node.size()); }
    /// [node][index]: its members, in order.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> by_node() const;
    /// The same where two or more nodes hold equally many members, two or more; else empty.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> grid() const;

    /// `n` members on one node and one ring.
    static MemberPlaces on_one_node(std::uint32_t n);
    /// Nodes of `each` members, numbered node by node, under one leaf; one ring.
    static MemberPlaces on_nodes(std::uint32_t nodes, std::uint32_t each);
};

struct CollectiveRequest {
    CollectiveKind kind = CollectiveKind::all_reduce;
    double bytes = 0;                       ///< as in sim/program.hpp
    const TrafficMatrix* matrix = nullptr;  ///< of an all-to-all-v
    bool keep_payload = false;

    [[nodiscard]] bool exchange() const {
        return kind == CollectiveKind::all_to_all || kind == CollectiveKind::all_to_all_v;
    }
};

using Messages = std::optional<MessageList>;

Messages ring_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages tree_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages halving_doubling_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages direct_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages pairwise_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages dissemination_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages bruck_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages hierarchical_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages relay_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages nvls_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages nvls_tree_messages(const CollectiveRequest& request, const MemberPlaces& places);
Messages sharp_messages(const CollectiveRequest& request, const MemberPlaces& places);

// What they share.

/// A builder whose blocks are `blocks` equal parts of the buffer.
MessageListBuilder equal_blocks(const CollectiveRequest& request, const MemberPlaces& places,
                                std::uint32_t blocks);
/// A builder for an exchange: n * n blocks, of the matrix or all alike.
MessageListBuilder exchange_blocks(const CollectiveRequest& request, const MemberPlaces& places);

/// One pass over a ring of `members` (at `place` of it) in the current lane: part j, the blocks `parts[j]`,
/// goes once around. Reduce: it ends whole at place j; else: it starts there and ends everywhere.
void ring_pass(MessageListBuilder& lane, std::span<const std::uint32_t> members, std::uint32_t place,
               std::span<const std::vector<BlockRange>> parts, bool reduce, std::uint32_t tag);

/// Parents in the two trees of Sanders, Speck and Traff over 0 .. n-1; each tree's root has itself as parent.
std::array<std::vector<std::uint32_t>, 2> double_tree_parents(std::uint32_t n);

}  // namespace orrery::sim
