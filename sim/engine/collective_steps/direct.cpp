// sim/engine/collective_steps/direct.cpp
//
// Everyone straight to everyone, or to and from member 0.
//   direct: all messages at once (NCCL's grouped sends and receives). All-to-all(-v), all-gather,
//   reduce-scatter,
//     all-reduce (both), gather, scatter, broadcast, reduce, send-recv.
//   pairwise: in round k = 1 .. n-1 member i sends to the k-th after it and hears from i - k, and nobody
//   begins a round
//     before its last one is over (Thakur et al. 2005, sections 4.2 and 4.3): all-to-all(-v), reduce-scatter.
//   dissemination: barrier in ceil(log2 n) signals, to i + 2^k (Hensgen, Finkel and Manber 1988).
#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

/// In which order members turn to each other: to i + k in turn k; where nodes hold equally many, r, to the
/// member k mod r further of the node k / r further, so that in each turn everyone hears from one (as NCCL
/// schedules).
class Turns {
  public:
    explicit Turns(const MemberPlaces& places) : nodes(places.grid()), at(places.members()) {
        if (nodes.empty()) {
            nodes.resize(1);
            for (std::uint32_t i = 0; i < places.members(); ++i) nodes[0].push_back(i);
        }
        for (std::uint32_t m = 0; m < nodes.size(); ++m)
            for (std::uint32_t l = 0; l < nodes[m].size(); ++l) at[nodes[m][l]] = {m, l};
    }
    [[nodiscard]] std::uint32_t to(std::uint32_t i, std::uint32_t turn) const {
        return moved(i, turn, false);
    }
    [[nodiscard]] std::uint32_t from(std::uint32_t i, std::uint32_t turn) const {
        return moved(i, turn, true);
    }

  private:
    struct Place {
        std::uint32_t node = 0;
        std::uint32_t index = 0;
    };
    [[nodiscard]] std::uint32_t moved(std::uint32_t i, std::uint32_t turn, bool back) const {
        const auto m = static_cast<std::uint32_t>(nodes.size());
        const auto r = static_cast<std::uint32_t>(nodes[0].size());
        const std::uint32_t node = back ? m - turn / r : turn / r;
        const std::uint32_t index = back ? r - turn % r : turn % r;
        return nodes[(at[i].node + node) % m][(at[i].index + index) % r];
    }

    std::vector<std::vector<std::uint32_t>> nodes;
    std::vector<Place> at;
};

/// Each pair of members one message; where the exchange has no bytes for it, none.
Messages exchange(const CollectiveRequest& request, const MemberPlaces& places, bool rounds) {
    const std::uint32_t n = places.members();
    const auto any = [&](std::uint32_t i, std::uint32_t j) {
        return request.matrix == nullptr || request.matrix->at(i, j) > 0;
    };
    const Turns turns(places);
    MessageListBuilder builder = exchange_blocks(request, places);
    builder.reserve(static_cast<std::size_t>(n) * (n - 1));
    for (std::uint32_t i = 0; i < n; ++i) {
        if (rounds) builder.lane(i);
        for (std::uint32_t k = 1; k < n; ++k) {
            const std::uint32_t to = turns.to(i, k);
            const std::uint32_t from = turns.from(i, k);
            if (!rounds) builder.lane(i);
            if (any(i, to)) builder.send(to, {i * n + to, 1, false});
            if (any(from, i)) builder.receive(from);
        }
    }
    return builder.finish();
}

/// Everyone's part to its owner, then (or only) every owner's to everyone.
Messages parts(const CollectiveRequest& request, const MemberPlaces& places, bool scatter, bool gather) {
    const std::uint32_t n = places.members();
    MessageListBuilder builder = equal_blocks(request, places, n);
    const Turns turns(places);
    const auto to_all = [&](std::uint32_t i, bool reduce) {
        for (std::uint32_t k = 1; k < n; ++k) {
            const std::uint32_t to = turns.to(i, k);
            builder.send(to, {reduce ? to : i, 1, reduce}, reduce ? 0 : 1);
        }
    };
    const auto from_all = [&](std::uint32_t i, std::uint32_t tag) {
        for (std::uint32_t k = 1; k < n; ++k) builder.receive(turns.from(i, k), tag);
    };
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        if (scatter) {
            to_all(i, true);
            from_all(i, 0);
        }
        if (gather) {
            to_all(i, false);
            from_all(i, 1);
        }
    }
    return builder.finish();
}

Messages rooted(const CollectiveRequest& request, const MemberPlaces& places) {
    using Kind = CollectiveKind;
    const std::uint32_t n = places.members();
    const bool whole = request.kind == Kind::broadcast || request.kind == Kind::reduce;
    const bool to_root = request.kind == Kind::gather || request.kind == Kind::reduce;
    MessageListBuilder builder = equal_blocks(request, places, whole ? 1 : n);
    const auto what = [&](std::uint32_t i) {
        return BlockRange{whole ? 0 : i, 1, request.kind == Kind::reduce};
    };
    for (std::uint32_t i = 1; i < n; ++i) {
        builder.lane(to_root ? i : 0);
        builder.send(to_root ? 0 : i, what(i));
    }
    for (std::uint32_t i = 1; i < n; ++i) {
        builder.lane(to_root ? 0 : i);
        builder.receive(to_root ? i : 0);
    }
    return builder.finish();
}

Messages send(const CollectiveRequest& request, const MemberPlaces& places) {
    MessageListBuilder builder = equal_blocks(request, places, 1);
    builder.lane(0);
    builder.send(1, {0, 1, false});
    builder.lane(1);
    builder.receive(0);
    return builder.finish();
}

}  // namespace

Messages direct_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    using Kind = CollectiveKind;
    switch (request.kind) {
        case Kind::all_to_all:
        case Kind::all_to_all_v:
            return exchange(request, places, false);
        case Kind::all_reduce:
            return parts(request, places, true, true);
        case Kind::reduce_scatter:
            return parts(request, places, true, false);
        case Kind::all_gather:
            return parts(request, places, false, true);
        case Kind::broadcast:
        case Kind::reduce:
        case Kind::gather:
        case Kind::scatter:
            return rooted(request, places);
        case Kind::send_recv:
            return send(request, places);
        case Kind::barrier:
            return std::nullopt;
    }
    return std::nullopt;
}

Messages pairwise_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    if (request.exchange()) return exchange(request, places, true);
    if (request.kind != CollectiveKind::reduce_scatter) return std::nullopt;
    const std::uint32_t n = places.members();
    const Turns turns(places);
    MessageListBuilder builder = equal_blocks(request, places, n);
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        for (std::uint32_t k = 1; k < n; ++k) {
            builder.send(turns.to(i, k), {turns.to(i, k), 1, true});
            builder.receive(turns.from(i, k));
        }
    }
    return builder.finish();
}

Messages dissemination_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    if (request.kind != CollectiveKind::barrier) return std::nullopt;
    const std::uint32_t n = places.members();
    MessageListBuilder builder = equal_blocks(request, places, 1);
    for (std::uint32_t i = 0; i < n; ++i) {
        builder.lane(i);
        for (std::uint32_t distance = 1; distance < n; distance *= 2) {
            builder.send((i + distance) % n, {0, 1, true});
            builder.receive((i + n - distance % n) % n);
        }
    }
    return builder.finish();
}

}  // namespace orrery::sim
