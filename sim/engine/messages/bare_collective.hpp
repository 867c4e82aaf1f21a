// sim/engine/messages/bare_collective.hpp
//
// One collective on its own, by any engine: what `orrery collective` shows.
//
//   replay    the closed form of the calibration (sim/cost), algorithm and protocol as NCCL's tuner would
//             choose
//   flow      the same as one coupled load on the cluster's links
//   messages  the same algorithm and protocol message by message over the cluster's links (messages.hpp),
//             with the calibration's starts, steps and shares of bandwidth
//   simgrid   message by message with fluid sharing of the bare links, without the calibration's overheads;
//             the plain algorithm of each kind where none is forced (simgrid_plan.hpp)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cost/collective_cost.hpp"
#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

enum class BareEngine : std::uint8_t { replay, flow, messages, simgrid };
std::string_view to_string(BareEngine engine);
/// Throws InputError with the nearest name.
BareEngine parse_bare_engine(std::string_view name);

struct BareCollective {
    CollectiveKind kind = CollectiveKind::all_reduce;
    double bytes = 0;
    std::optional<TrafficMatrix> matrix;  ///< of an all-to-all-v
    std::vector<std::uint32_t> devices;
    CollectiveChoice choice;
    BareEngine engine = BareEngine::replay;
};

/// Bytes of all messages by the highest level of the cluster that they cross.
struct BytesByTier {
    double node = 0;     ///< stay in their node
    double network = 0;  ///< between nodes, through one switch (or a direct link)
    double spine = 0;    ///< between nodes that hang on different switches
};

struct BareResult {
    CollectiveCost cost;
    double messages = 0;
    double wall_s = 0;
    std::optional<BytesByTier> bytes;  ///< nothing when there are over kMostCountedMessages
};

inline constexpr double kMostCountedMessages = 4e6;

/// Throws what price_collective and the engines throw.
BareResult run_bare_collective(const BareCollective& request, const topologies::Cluster& cluster,
                               const CollectiveCalibration& calibration);

/// What every member sends under Zipf's law: member j is the (j + 1)-th most popular and gets the fraction
/// (j + 1)^-exponent / sum of all of what each member sends, `bytes_a_member`. 0: uniform.
TrafficMatrix zipf_matrix(std::uint32_t members, double bytes_a_member, double exponent);

}  // namespace orrery::sim
