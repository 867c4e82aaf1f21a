// sim/engine/collective_steps/halving_doubling.cpp
//
// Recursive halving and doubling (Thakur, Rabenseifner and Gropp 2005; Rabenseifner 2004). With p' the
// largest power of two among n: reduce-scatter by log2 p' exchanges of half of what is left, all-gather by
// the same in reverse, all-reduce by both; each member sends (p' - 1)/p' of the buffer in each. Where n is no
// power of two, the members beyond it first hand all they have to a neighbour, and get their result from it
// in the end.
#include <bit>

#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

/// The power of two that exchanges, of n members: virtual member v stands for member v + extra, or for the
/// pair 2v, 2v + 1 while v < extra, of which the odd one acts.
struct Fold {
    explicit Fold(std::uint32_t n) : power(std::bit_floor(n)), extra(n - power) {}
    [[nodiscard]] bool idle(std::uint32_t member) const { return member < 2 * extra && member % 2 == 0; }
    [[nodiscard]] std::uint32_t actor(std::uint32_t v) const { return v < extra ? 2 * v + 1 : v + extra; }
    [[nodiscard]] std::uint32_t virtual_of(std::uint32_t member) const {
        return member < 2 * extra ? member / 2 : member - extra;
    }
    [[nodiscard]] std::uint32_t first_block(std::uint32_t v) const { return v < extra ? 2 * v : v + extra; }
    /// The blocks that the virtual members low .. high - 1 own.
    [[nodiscard]] BlockRange blocks(std::uint32_t low, std::uint32_t high, bool reduce) const {
        return {first_block(low), first_block(high) - first_block(low), reduce};
    }
    std::uint32_t power;
    std::uint32_t extra;
};

void halve(MessageListBuilder& lane, const Fold& fold, std::uint32_t v) {
    for (std::uint32_t half = fold.power / 2; half > 0; half /= 2) {
        const std::uint32_t peer = v ^ half;
        const std::uint32_t low = peer / half * half;  // the half of the current range that the peer keeps
        lane.send(fold.actor(peer), fold.blocks(low, low + half, true));
        lane.receive(fold.actor(peer));
    }
}

void double_up(MessageListBuilder& lane, const Fold& fold, std::uint32_t v) {
    for (std::uint32_t have = 1; have < fold.power; have *= 2) {
        const std::uint32_t low = v / have * have;
        lane.send(fold.actor(v ^ have), fold.blocks(low, low + have, false));
        lane.receive(fold.actor(v ^ have));
    }
}

}  // namespace

Messages halving_doubling_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    const bool both = request.kind == CollectiveKind::all_reduce || request.kind == CollectiveKind::barrier;
    const bool scatter = both || request.kind == CollectiveKind::reduce_scatter;
    const bool gather = both || request.kind == CollectiveKind::all_gather;
    if (!scatter && !gather) return std::nullopt;
    const std::uint32_t n = places.members();
    const Fold fold(n);
    MessageListBuilder builder = equal_blocks(request, places, n);
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        if (fold.idle(i)) {
            builder.send(i + 1, scatter ? BlockRange{0, n, true} : BlockRange{i, 1, false});
            builder.receive(i + 1);
            continue;
        }
        const bool folded = i < 2 * fold.extra;
        if (folded) builder.receive(i - 1);
        if (scatter) halve(builder, fold, fold.virtual_of(i));
        if (gather) double_up(builder, fold, fold.virtual_of(i));
        if (folded) builder.send(i - 1, gather ? BlockRange{0, n, false} : BlockRange{i - 1, 1, false});
    }
    return builder.finish();
}

}  // namespace orrery::sim
