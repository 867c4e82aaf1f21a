#include "sim/cost/kind_calibrations.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

CollectiveCost price_by(const CollectiveCalibration& calibration, const Collective& work,
                        const Program& program, const topologies::Cluster& cluster,
                        const CollectiveChoice& choice, double part) {
    const std::vector<std::uint32_t>& devices = program.groups[work.group].devices;
    if (work.kind != CollectiveKind::all_to_all_v)
        return price_collective(work.kind, part * work.bytes, devices, cluster, calibration, choice);
    if (part == 1)
        return price_all_to_all_v(program.matrices.at(work.matrix), devices, cluster, calibration, choice);
    // Nearly nothing rather than nothing: members that exchange nothing would cost no latency either.
    TrafficMatrix matrix = program.matrices.at(work.matrix);
    for (double& bytes : matrix.bytes) bytes *= 1e-15;
    return price_all_to_all_v(matrix, devices, cluster, calibration, choice);
}

}  // namespace

std::vector<std::size_t> kinds_of(std::span<const std::uint32_t> devices,
                                  const topologies::Cluster& cluster) {
    if (!cluster.mixed()) return {0};
    std::vector<std::size_t> kinds;
    for (const std::uint32_t device : devices) kinds.push_back(cluster.kind_index(device));
    std::sort(kinds.begin(), kinds.end());
    kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
    return kinds;
}

CollectiveCost price_on_kinds(const Collective& work, const Program& program, const KindCollectives& by_kind,
                              const topologies::Cluster& cluster, const CollectiveChoice& choice,
                              double part) {
    const std::vector<std::size_t> kinds = kinds_of(program.groups[work.group].devices, cluster);
    const auto by = [&](std::size_t kind, const CollectiveChoice& how) {
        return price_by(of_kind(by_kind, kind), work, program, cluster, how, part);
    };
    if (kinds.size() < 2) return by(kinds.empty() ? 0 : kinds.front(), choice);

    std::optional<CollectiveCost> least;
    std::optional<InputError> unable;
    for (const std::size_t favoured : kinds) {
        CollectiveCost most = by(favoured, choice);
        if (most.algorithm.empty()) return most;  // of one rank
        const CollectiveChoice same{most.algorithm, most.protocol, choice.sharing_groups};
        try {
            for (const std::size_t kind : kinds)
                if (CollectiveCost cost = by(kind, same); cost.time_s > most.time_s) most = cost;
        } catch (const InputError& error) {
            unable = error;
            continue;
        }
        if (!least || most.time_s < least->time_s) least = most;
    }
    if (!least) throw InputError(*unable);
    return *least;
}

}  // namespace orrery::sim
