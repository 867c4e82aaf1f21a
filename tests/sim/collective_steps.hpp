// tests/sim/collective_steps.hpp
//
// A second, independent description of the plain algorithms, position by position: collectives as the
// messages that their members send (Thakur, Rabenseifner, Gropp 2005; NCCL's rings). Positions 0 .. n-1 are
// places in the ring; `bytes` as in sim/program.hpp.
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

namespace orrery::sim::testing {

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

inline CollectiveSteps ring(double bytes, std::uint32_t n, std::uint32_t position, std::uint32_t steps) {
    CollectiveSteps result;
    for (std::uint32_t k = 0; k < steps; ++k) result.messages.push_back({(position + 1) % n, bytes / n, k});
    result.receives = steps;
    return result;
}

inline CollectiveSteps pairwise(double bytes, std::uint32_t n, std::uint32_t position) {
    CollectiveSteps result;
    for (std::uint32_t k = 1; k < n; ++k) result.messages.push_back({(position + k) % n, bytes / n, k - 1});
    result.receives = n - 1;
    return result;
}

/// `hop` counts from the source of the chain; `next` is the position of the following hop.
inline CollectiveSteps chain(double bytes, std::uint32_t n, std::uint32_t hop, std::uint32_t next) {
    const std::uint32_t pieces = kPiecesPerHop * (n - 1);
    CollectiveSteps result;
    result.receives = hop == 0 ? 0 : pieces;
    if (hop + 1 == n) return result;
    for (std::uint32_t k = 0; k < pieces; ++k)
        result.messages.push_back({next, bytes / pieces, hop == 0 ? 0 : k + 1});
    return result;
}

inline CollectiveSteps to_root(double bytes, std::uint32_t n, std::uint32_t position) {
    if (position == 0) return {{}, n - 1};
    return {{{0, bytes / n, 0}}, 0};
}

inline CollectiveSteps from_root(double bytes, std::uint32_t n, std::uint32_t position) {
    if (position != 0) return {{}, 1};
    CollectiveSteps result;
    for (std::uint32_t to = 1; to < n; ++to) result.messages.push_back({to, bytes / n, 0});
    return result;
}

inline CollectiveSteps dissemination(std::uint32_t n, std::uint32_t position) {
    CollectiveSteps result;
    for (std::uint32_t distance = 1; distance < n; distance *= 2)
        result.messages.push_back({(position + distance) % n, 0, result.receives++});
    return result;
}

/// All kinds but the all-to-all-v.
inline CollectiveSteps collective_steps(CollectiveKind kind, double bytes, std::uint32_t n,
                                        std::uint32_t position) {
    if (n < 2) return {};
    switch (kind) {
        case CollectiveKind::all_reduce:
            return ring(bytes, n, position, 2 * (n - 1));
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
            return ring(bytes, n, position, n - 1);
        case CollectiveKind::all_to_all:
            return pairwise(bytes, n, position);
        case CollectiveKind::broadcast:
            return chain(bytes, n, position, position + 1);
        case CollectiveKind::reduce:
            return chain(bytes, n, n - 1 - position, position - 1);
        case CollectiveKind::gather:
            return to_root(bytes, n, position);
        case CollectiveKind::scatter:
            return from_root(bytes, n, position);
        case CollectiveKind::send_recv:
            return position == 0 ? CollectiveSteps{{{1, bytes, 0}}, 0} : CollectiveSteps{{}, 1};
        case CollectiveKind::barrier:
            return dissemination(n, position);
        case CollectiveKind::all_to_all_v:
            break;
    }
    return {};
}

inline bool uses_rings(CollectiveKind kind) {
    return kind == CollectiveKind::all_reduce || kind == CollectiveKind::all_gather ||
           kind == CollectiveKind::reduce_scatter;
}

}  // namespace orrery::sim::testing
