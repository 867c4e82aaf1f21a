// sim/engine/collective_steps/bruck.cpp
//
// Bruck et al. 1997. All-to-all(-v): ceil(log2 n) rounds; in round k a member sends to i + 2^k all blocks it
// holds whose way still has a step of 2^k to go, about half of them. All-gather: ceil(log2 n) rounds, in
// round k all that is gathered so far (at most 2^k blocks) to i - 2^k; (n - 1)/n of the buffer in all.
#include <algorithm>

#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

Messages exchange(const CollectiveRequest& request, const MemberPlaces& places) {
    const std::uint32_t n = places.members();
    MessageListBuilder builder = exchange_blocks(request, places);
    std::vector<BlockRange> what;
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        for (std::uint32_t step = 1; step < n; step *= 2) {
            what.clear();
            for (std::uint32_t way = 0; way < n; ++way) {
                if ((way & step) == 0) continue;
                const std::uint32_t from = (i + n - way % step) % n;
                what.push_back({from * n + (from + way) % n, 1, false});
            }
            builder.send((i + step) % n, what);
            builder.receive((i + n - step) % n);
        }
    }
    return builder.finish();
}

}  // namespace

Messages bruck_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    if (request.exchange()) return exchange(request, places);
    if (request.kind != CollectiveKind::all_gather) return std::nullopt;
    const std::uint32_t n = places.members();
    MessageListBuilder builder = equal_blocks(request, places, n);
    std::vector<BlockRange> what;
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        for (std::uint32_t have = 1; have < n; have *= 2) {
            const std::uint32_t count = std::min(have, n - have);
            const std::uint32_t before_wrap = std::min(count, n - i);
            what.assign(1, {i, before_wrap, false});
            if (before_wrap < count) what.push_back({0, count - before_wrap, false});
            builder.send((i + n - have) % n, what);
            builder.receive((i + have) % n);
        }
    }
    return builder.finish();
}

}  // namespace orrery::sim
