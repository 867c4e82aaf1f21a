// sim/engine/collective_steps.hpp
//
// Collectives as the messages that their members send (Thakur, Rabenseifner, Gropp 2005; NCCL's rings).
// Positions 0 .. n-1 are places in the ring; `bytes` as in sim/program.hpp.
//
//  all-reduce      ring: 2(n-1) steps of bytes/n to the right neighbour
//  all-gather, reduce-scatter    ring: n-1 steps of bytes/n
//  all-to-all      pairwise: in step k = 1 .. n-1 position i sends bytes/n to i+k
//  broadcast, reduce    chain from (to) position 0, pipelined in kPiecesPerHop (n-1) pieces
//  gather, scatter    every other position sends (gets) bytes/n to (from) position 0
//  send-recv       one message from position 0 to 1
//  barrier         dissemination: ceil(log2 n) empty messages, to i + 2^k
#pragma once

#include <cstdint>
#include <vector>

#include "sim/program.hpp"

namespace orrery::sim {

/// Filling and draining a chain of n members costs 1/kPiecesPerHop of the transfer.
inline constexpr int kPiecesPerHop = 8;

struct Message {
    std::uint32_t to = 0;              ///< position
    double bytes = 0;                  ///< 0: only the latency counts
    std::uint32_t after_received = 0;  ///< it leaves once that many messages have come in
};

/// What one position does: it sends its messages one after the other, each when the one before has left its
/// links (it arrives the route's latency later).
struct CollectiveSteps {
    std::vector<Message> messages;
    std::uint32_t receives = 0;  ///< how many messages come in
};

CollectiveSteps collective_steps(CollectiveKind kind, double bytes, std::uint32_t members,
                                 std::uint32_t position);

/// Whether it runs on all rings of Network::rings, each with an equal share; the others run in the given
/// order.
bool uses_rings(CollectiveKind kind);

}  // namespace orrery::sim
