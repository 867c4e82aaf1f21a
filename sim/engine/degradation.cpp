#include "sim/engine/degradation.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace orrery::sim {

Disturbances disturbances_of(const topologies::Cluster& cluster, const Network& network) {
    Disturbances all;
    for (const topologies::Degradation& part : cluster.degradations) {
        if (part.gpu >= 0) {
            const auto device = static_cast<std::uint32_t>(part.gpu);
            const double slowdown =
                part.factor > 0 ? 1 / part.factor : std::numeric_limits<double>::infinity();
            if (part.at_s <= 0 && part.factor > 0) {
                all.stragglers.push_back({device, slowdown});
            } else {
                all.device_faults.push_back({device, part.at_s, slowdown});
            }
            continue;
        }
        const auto cable = network.graph().find_cable(part.cable);
        if (!cable)
            throw ExperimentError(fmt::format("cluster {} has no link '{}'", cluster.name, part.cable));
        for (const std::uint32_t link : {*cable, *cable + 1})
            all.link_faults.push_back({link, part.at_s, part.factor});
    }
    return all;
}

}  // namespace orrery::sim
