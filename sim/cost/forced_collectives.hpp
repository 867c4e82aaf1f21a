// sim/cost/forced_collectives.hpp
//
// What a job fixes of its collectives, as NCCL_ALGO and NCCL_PROTO do, but by kind. Every engine does what
// stands here; what is empty the calibration's model chooses.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "sim/program.hpp"

namespace orrery::sim {

struct ForcedCollective {
    std::string algorithm;  ///< one of collective_algorithm_names(), or empty
    std::string protocol;   ///< one of protocol_names(), or empty
};

/// [collective kind]
using ForcedCollectives = std::array<ForcedCollective, static_cast<std::size_t>(CollectiveKind::barrier) + 1>;

inline const ForcedCollective& forced_for(const ForcedCollectives& forced, CollectiveKind kind) {
    return forced[static_cast<std::size_t>(kind)];
}

}  // namespace orrery::sim
