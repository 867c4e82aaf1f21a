// study/traced_run.hpp
//
// A step that traces describe (sim/chakra/chakra.hpp), replayed: as it was recorded, or with its
// communication on a cluster.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/chakra/chakra.hpp"
#include "sim/timeline.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

struct TracedRunChoice {
    /// Name of a node kind, or a file; as many nodes as the ranks fill. Empty: communications last as
    /// recorded.
    std::string cluster;
    std::string collectives;  ///< calibration of its collectives; empty: the node's
    EngineKind engine = EngineKind::replay;
};

/// Operations of one kind, each counted once however many ranks take part.
struct TracedTraffic {
    std::uint64_t operations = 0;
    double bytes = 0;  ///< sum of the sizes as sim::Collective counts them
};

struct TracedRun {
    sim::TracedProgram traced;  ///< costs as they were simulated
    sim::Timeline timeline;
    std::string cluster;  ///< its name; empty where there is none
    std::vector<std::string> notes;

    double step_time_s = 0;
    double mean_compute_s = 0;                     ///< over the ranks: time of kernels on the device
    double most_compute_s = 0;                     ///< of the busiest rank
    std::map<std::string, TracedTraffic> by_kind;  ///< "all-reduce", "send-recv", ...
};

/// Reads the folder and runs its program. Throws InputError; for engines other than replay also where no
/// cluster is given.
TracedRun run_traces(const std::filesystem::path& folder, const TracedRunChoice& choice);

/// The same with traces that are there already.
TracedRun run_traces(sim::TracedProgram traced, const TracedRunChoice& choice);

}  // namespace orrery::study
