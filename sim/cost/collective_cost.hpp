// sim/cost/collective_cost.hpp
//
// How long a collective takes on its group: by algorithm, protocol, placement and size, from a calibration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/group_placement.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// The chosen way and its time.
struct CollectiveCost {
    double time_s = 0;
    std::string algorithm;  ///< one of collective_algorithm_names(); empty: nothing to do
    std::string protocol;   ///< "LL", "LL128", "Simple"
};

/// What a user forces. Empty names leave the choice to the model.
struct CollectiveChoice {
    std::string algorithm;
    std::string protocol;
    int sharing_groups = 0;  ///< groups that share a node's NICs at once; 0: see group_placement.hpp
};

/// The tuner chooses among ring, tree, nvls, nvls-tree and direct, as NCCL does; the others
/// (halving-doubling, bruck, pairwise, hierarchical, relay, sharp, dissemination, and direct for what is no
/// exchange) are priced when forced.
///
/// Time of `kind` (any but an all-to-all-v) over `devices` (global device numbers in any order; their nodes
/// decide the links used). `bytes` as in sim/program.hpp's Collective. The fastest algorithm and protocol by
/// the model, as NCCL's tuner does. Zero for a group of one. Throws SimulationError for a device outside of
/// the cluster or named twice, a send_recv of more than two, or a group that no link joins.
CollectiveCost price_collective(CollectiveKind kind, double bytes, std::span<const std::uint32_t> devices,
                                const topologies::Cluster& cluster, const CollectiveCalibration& calibration);

/// The same with algorithm or protocol forced. Throws InputError when a name is unknown or cannot do `kind`
/// on this group.
CollectiveCost price_collective(CollectiveKind kind, double bytes, std::span<const std::uint32_t> devices,
                                const topologies::Cluster& cluster, const CollectiveCalibration& calibration,
                                const CollectiveChoice& choice);

/// The same for a group already placed: what repeated pricing (and fitting) uses.
CollectiveCost price_placed(CollectiveKind kind, double bytes, const GroupPlacement& group,
                            const CollectiveCalibration& calibration, const CollectiveChoice& choice = {});

/// Time of the all-to-all-v of `matrix` over `devices`, in the matrix's order (see
/// collectives/all_to_all_v.hpp). Algorithm "direct", no other. Throws as price_collective does, and
/// SimulationError when the matrix is not of as many members.
CollectiveCost price_all_to_all_v(const TrafficMatrix& matrix, std::span<const std::uint32_t> devices,
                                  const topologies::Cluster& cluster,
                                  const CollectiveCalibration& calibration,
                                  const CollectiveChoice& choice = {});

/// Bus bandwidth as nccl-tests defines it (its doc/PERFORMANCE.md): bytes / time times 2(n-1)/n for
/// all-reduce, (n-1)/n for all-gather, reduce-scatter and all-to-all (of an all-to-all-v by its mean), 1
/// otherwise.
double bus_bandwidth(CollectiveKind kind, double bytes, int ranks, double time_s);

/// Messages between ranks that the algorithm sends: each part's hop counts once (a ring: passes x (n - 1) x
/// n), the chunks into which a message is cut do not. NVSwitch's reads and writes count as messages.
double message_count(CollectiveKind kind, std::string_view algorithm, const GroupPlacement& group);

/// Names for `CollectiveChoice`.
std::vector<std::string> collective_algorithm_names();
std::vector<std::string> protocol_names();

/// The algorithms that do `kind` on groups of some shape (one node or several, of a calibration with NVLS):
/// what may be forced of it. Never empty.
std::vector<std::string> algorithms_of(CollectiveKind kind);

/// All kinds, in the order of their declaration.
std::span<const CollectiveKind> collective_kinds();

/// "all-reduce" and so on; throws InputError with the nearest name. The reverse of to_string(CollectiveKind).
CollectiveKind parse_collective_kind(std::string_view name);

}  // namespace orrery::sim
