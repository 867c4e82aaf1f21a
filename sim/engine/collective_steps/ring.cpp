// sim/engine/collective_steps/ring.cpp
//
// Rings (Patarasuk and Yuan 2009). All-reduce: 2(n - 1) steps, each member sends 2(n - 1)/n of the buffer,
// which is the least possible; reduce-scatter and all-gather: half of both. Several rings (NCCL's channels)
// run side by side, each with its share of every member's part. Broadcast and reduce: a chain along the ring
// from (to) member 0, pipelined in kPiecesPerHop (n - 1) pieces. A barrier is an all-reduce of nothing.
#include <algorithm>

#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

void chain(MessageListBuilder& builder, const std::vector<std::uint32_t>& order, std::uint32_t channel,
           std::uint32_t channels, std::uint32_t pieces, bool reduce) {
    for (std::size_t k = 0; k < order.size(); ++k) {
        builder.lane(order[k]);
        for (std::uint32_t piece = 0; piece < pieces; ++piece) {
            if (k > 0) builder.receive(order[k - 1], channel);
            if (k + 1 < order.size())
                builder.send(order[k + 1], {piece * channels + channel, 1, reduce}, channel);
        }
    }
}

Messages chains(const CollectiveRequest& request, const MemberPlaces& places) {
    const auto channels = static_cast<std::uint32_t>(places.rings.size());
    const std::uint32_t pieces = kPiecesPerHop * (places.members() - 1);
    const bool reduce = request.kind == CollectiveKind::reduce;
    MessageListBuilder builder = equal_blocks(request, places, pieces * channels);
    builder.reserve(static_cast<std::size_t>(pieces) * channels * (places.members() - 1));
    for (std::uint32_t c = 0; c < channels; ++c) {
        std::vector<std::uint32_t> order = places.rings[c];
        std::rotate(order.begin(), std::find(order.begin(), order.end(), 0U), order.end());
        if (reduce) std::reverse(order.begin(), order.end());
        chain(builder, order, c, channels, pieces, reduce);
    }
    return builder.finish();
}

}  // namespace

void ring_pass(MessageListBuilder& lane, std::span<const std::uint32_t> members, std::uint32_t place,
               std::span<const std::vector<BlockRange>> parts, bool reduce, std::uint32_t tag) {
    const auto n = static_cast<std::uint32_t>(members.size());
    const std::uint32_t right = members[(place + 1) % n];
    const std::uint32_t left = members[(place + n - 1) % n];
    std::vector<BlockRange> what;
    for (std::uint32_t step = 0; step + 1 < n; ++step) {
        const std::uint32_t part = (place + 2 * n - step - (reduce ? 1 : 0)) % n;
        what = parts[part];
        for (BlockRange& range : what) range.reduce = reduce;
        lane.send(right, what, tag);
        lane.receive(left, tag);
    }
}

Messages ring_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    using Kind = CollectiveKind;
    const bool both = request.kind == Kind::all_reduce || request.kind == Kind::barrier;
    const bool scatter = both || request.kind == Kind::reduce_scatter;
    const bool gather = both || request.kind == Kind::all_gather;
    if (request.kind == Kind::broadcast || request.kind == Kind::reduce) return chains(request, places);
    if (!scatter && !gather) return std::nullopt;

    const std::uint32_t n = places.members();
    const auto channels = static_cast<std::uint32_t>(places.rings.size());
    MessageListBuilder builder = equal_blocks(request, places, n * channels);
    builder.reserve(static_cast<std::size_t>(both ? 2 : 1) * (n - 1) * n * channels);
    for (std::uint32_t c = 0; c < channels; ++c) {
        const std::vector<std::uint32_t>& ring = places.rings[c];
        std::vector<std::vector<BlockRange>> parts(n);
        for (std::uint32_t k = 0; k < n; ++k) parts[k] = {{ring[k] * channels + c, 1}};
        for (std::uint32_t k = 0; k < n; ++k) {
            builder.lane(ring[k]);
            if (scatter) ring_pass(builder, ring, k, parts, true, c);
            if (gather) ring_pass(builder, ring, k, parts, false, c);
        }
    }
    return builder.finish();
}

}  // namespace orrery::sim
