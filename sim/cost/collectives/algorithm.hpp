// sim/cost/collectives/algorithm.hpp
//
// One way to carry out collectives, priced in closed form: one file a family, one row each in
// `collective_algorithms`.
//
// Contract of `time`: `group` has at least two ranks; `bytes` >= 0 is the full buffer as in sim/program.hpp.
// Returns the seconds from the moment all members have joined until all are done, or nothing when the
// algorithm does not do this collective on this group under this protocol. Never less for more bytes.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/group_placement.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

struct CollectiveAlgorithm {
    std::string_view name;
    bool nccl = true;  ///< among those that NCCL chooses from by itself; others only when forced
    std::optional<double> (*time)(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                  Protocol protocol, const CollectiveCalibration& calibration);
};

/// Once a collective, before its first byte moves.
inline double start_s(double algorithm_start_s, const GroupPlacement& group,
                      const CollectiveCalibration& calibration) {
    return algorithm_start_s + (group.one_node() ? 0 : calibration.network_start_s);
}

std::optional<double> ring_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> tree_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> nvls_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> nvls_tree_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                     Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> grouped_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                   Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> halving_doubling_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                            Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> bruck_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> dissemination_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                         Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> hierarchical_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                        Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> relay_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> sharp_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                 Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> pairwise_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                    Protocol protocol, const CollectiveCalibration& calibration);
std::optional<double> direct_time(CollectiveKind kind, double bytes, const GroupPlacement& group,
                                  Protocol protocol, const CollectiveCalibration& calibration);

/// All of them, in order of preference among equals. Two rows may share a name: what NCCL would choose and
/// what must be forced.
std::span<const CollectiveAlgorithm> collective_algorithms();

}  // namespace orrery::sim
