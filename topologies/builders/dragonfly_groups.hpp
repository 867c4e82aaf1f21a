// topologies/builders/dragonfly_groups.hpp
//
// How the groups of a dragonfly are joined: each with each other by the same number of cables, dealt out to a
// group's routers in turn ("palm tree" arrangement, Camarero, Vallejo, Beivide 2014): the group d further on
// (cyclically) is reached over the cables (d - 1) k .. d k - 1 of the group, cable q hangs on router
// q / ceil(cables / routers).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "topologies/builders/builders.hpp"

namespace orrery::topologies {

struct DragonflyGroups {
    std::uint32_t groups = 1;
    std::uint32_t routers = 1;          ///< of a group that carry cables to other groups
    std::uint32_t cables_per_pair = 1;  ///< between two groups

    [[nodiscard]] std::uint32_t cables() const { return (groups - 1) * cables_per_pair; }  ///< of a group
    [[nodiscard]] std::uint32_t cables_per_router() const {
        return std::max<std::uint32_t>(1, (cables() + routers - 1) / routers);
    }
    /// The router (inside its group) on which the t-th cable from `group` to `other` hangs.
    [[nodiscard]] std::uint32_t router_of(std::uint32_t group, std::uint32_t other, std::uint32_t t) const {
        const std::uint32_t distance = (other + groups - group) % groups;
        return ((distance - 1) * cables_per_pair + t) / cables_per_router();
    }
    /// Number of the t-th cable between two groups, over all of them; it is built from the lower to the
    /// higher.
    [[nodiscard]] std::uint32_t cable(std::uint32_t a, std::uint32_t b, std::uint32_t t) const {
        const std::uint32_t low = std::min(a, b);
        const std::uint32_t high = std::max(a, b);
        return (low * groups - low * (low + 1) / 2 + high - low - 1) * cables_per_pair + t;
    }
};

/// The cables between the groups, with their names, in the order of DragonflyGroups::cable. Of group g the
/// first router that carries such cables is vertex `first + g * stride`. Returns the first cable's link.
inline LinkId connect_groups(GraphWriter& writer, const DragonflyGroups& between, VertexId first,
                             std::uint32_t stride, const Fabric& fabric) {
    writer.begin_cables([shape = between](std::uint32_t index) {
        std::uint32_t left = index / shape.cables_per_pair;
        std::uint32_t a = 0;
        for (; left >= shape.groups - 1 - a; ++a) left -= shape.groups - 1 - a;
        return fmt::format("groups {} {} cable {}", a, a + 1 + left, index % shape.cables_per_pair);
    });
    const LinkId first_link = writer.graph().links();
    for (std::uint32_t a = 0; a < between.groups; ++a)
        for (std::uint32_t b = a + 1; b < between.groups; ++b)
            for (std::uint32_t t = 0; t < between.cables_per_pair; ++t)
                writer.connect(first + a * stride + between.router_of(a, b, t),
                               first + b * stride + between.router_of(b, a, t),
                               {fabric.global_bandwidth, fabric.switch_latency_s + fabric.global_latency_s,
                                Tier::global});
    return first_link;
}

}  // namespace orrery::topologies
