// cli/collective.hpp
//
// A bare collective on a cluster: what `orrery collective` and the Python module's collective() compute.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sim/cost/collective_cost.hpp"

namespace orrery::cli {

/// The options of `orrery collective`, under their names; its --help says what each means.
struct CollectiveRequest {
    std::string kind;
    std::uint64_t bytes = 0;
    int ranks = 0;
    int ranks_per_node = 0;
    std::string cluster;
    std::string calibration;
    sim::CollectiveChoice choice;
    std::string engine = "replay";
    double skew = 0;
};

/// What `orrery collective --json` prints. Throws InputError whose key is the option ("--ranks-per-node") or
/// that of a file, and MissingCapability for an engine that this build lacks.
nlohmann::ordered_json collective_json(const CollectiveRequest& request);

}  // namespace orrery::cli
