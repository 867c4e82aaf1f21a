// sim/engine/collective_steps/relay.cpp
//
// All-to-all(-v) with relays (NCCL's PXN, NVIDIA 2022: "Doubling all2all performance with NCCL 2.12"): what
// is meant for member l of another node goes over the node's own fabric to its member l, whose NIC is on the
// rail of the receiver; that one sends what all members of the node have for one receiver in one message.
// Nothing waits for more than the parts of its own message; inside a node messages go straight. No bytes
// leave their rail.
#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {

Messages relay_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    const auto grid = places.grid();
    if (grid.empty() || !request.exchange()) return std::nullopt;
    const auto nodes = static_cast<std::uint32_t>(grid.size());
    const auto r = static_cast<std::uint32_t>(grid[0].size());
    const std::uint32_t n = nodes * r;
    MessageListBuilder builder = exchange_blocks(request, places);
    for (std::uint32_t m = 0; m < nodes; ++m)
        for (std::uint32_t l = 0; l < r; ++l) {
            const std::uint32_t self = grid[m][l];
            builder.lane(self);  // to the own node: relays first, the furthest node's part for each
            for (std::uint32_t k = 1; k < nodes; ++k)
                for (std::uint32_t i = 1; i < r; ++i) {
                    const std::uint32_t by = (l + i) % r;
                    const std::uint32_t target = grid[(m + k) % nodes][by];
                    builder.send(grid[m][by], {self * n + target}, k);
                }
            for (std::uint32_t i = 1; i < r; ++i) {
                const std::uint32_t target = grid[m][(l + i) % r];
                builder.send(target, {self * n + target}, 0);
            }
            for (std::uint32_t i = 1; i < r; ++i) builder.receive(grid[m][(l + r - i) % r], 0);
            for (std::uint32_t k = 1; k < nodes; ++k) {
                const std::uint32_t target = grid[(m + k) % nodes][l];
                builder.lane(self);
                for (std::uint32_t i = 1; i < r; ++i) builder.receive(grid[m][(l + r - i) % r], k);
                std::vector<BlockRange> what;
                for (const std::uint32_t from : grid[m]) what.push_back({from * n + target});
                builder.send(target, what, 0);
                builder.receive(grid[(m + nodes - k) % nodes][l], 0);
            }
        }
    return builder.finish();
}

}  // namespace orrery::sim
