#include "sim/engine/collective_steps.hpp"

namespace orrery::sim {
namespace {

CollectiveSteps ring(double bytes, std::uint32_t n, std::uint32_t position, std::uint32_t steps) {
    CollectiveSteps result;
    for (std::uint32_t k = 0; k < steps; ++k) result.messages.push_back({(position + 1) % n, bytes / n, k});
    result.receives = steps;
    return result;
}

CollectiveSteps pairwise(double bytes, std::uint32_t n, std::uint32_t position) {
    CollectiveSteps result;
    for (std::uint32_t k = 1; k < n; ++k) result.messages.push_back({(position + k) % n, bytes / n, k - 1});
    result.receives = n - 1;
    return result;
}

/// `hop` counts from the source of the chain; `next` is the position of the following hop.
CollectiveSteps chain(double bytes, std::uint32_t n, std::uint32_t hop, std::uint32_t next) {
    const std::uint32_t pieces = kPiecesPerHop * (n - 1);
    CollectiveSteps result;
    result.receives = hop == 0 ? 0 : pieces;
    if (hop + 1 == n) return result;
    for (std::uint32_t k = 0; k < pieces; ++k)
        result.messages.push_back({next, bytes / pieces, hop == 0 ? 0 : k + 1});
    return result;
}

CollectiveSteps to_root(double bytes, std::uint32_t n, std::uint32_t position) {
    if (position == 0) return {{}, n - 1};
    return {{{0, bytes / n, 0}}, 0};
}

CollectiveSteps from_root(double bytes, std::uint32_t n, std::uint32_t position) {
    if (position != 0) return {{}, 1};
    CollectiveSteps result;
    for (std::uint32_t to = 1; to < n; ++to) result.messages.push_back({to, bytes / n, 0});
    return result;
}

CollectiveSteps dissemination(std::uint32_t n, std::uint32_t position) {
    CollectiveSteps result;
    for (std::uint32_t distance = 1; distance < n; distance *= 2)
        result.messages.push_back({(position + distance) % n, 0, result.receives++});
    return result;
}

}  // namespace

CollectiveSteps collective_steps(CollectiveKind kind, double bytes, std::uint32_t n, std::uint32_t position) {
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
    }
    return {};
}

bool uses_rings(CollectiveKind kind) {
    return kind == CollectiveKind::all_reduce || kind == CollectiveKind::all_gather ||
           kind == CollectiveKind::reduce_scatter;
}

}  // namespace orrery::sim
