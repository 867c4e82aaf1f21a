// profiler/calibrate_collectives.hpp
//
// From the output of nccl-tests on one kind of node to that node's collective calibration: the samples of all
// logs together are fitted as the published ones are (fit_collectives.hpp), starting from a prior that keeps
// what they leave open. How well, on what was fitted and on what was held out, is written beside the figures,
// by collective, nodes and decade of bytes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "profiler/fit_collectives.hpp"
#include "profiler/nccl_tests.hpp"

namespace orrery::profiler {

struct CollectiveLogs {
    std::vector<std::filesystem::path> paths;
    std::optional<sim::CollectiveKind> kind;  ///< of tables that do not tell theirs
    std::string node;                         ///< a name in topologies/zoo: whose links they ran on
    std::string base;                         ///< the prior: a calibration, "tuner", or empty: the node's own
    std::string name;                         ///< of the result
    std::vector<std::string> notes;           ///< sentences for its provenance: the date, the machine
};

struct CollectivesFit {
    sim::CollectiveCalibration calibration;  ///< with provenance and residuals, ready to be written
    int samples = 0;
    std::vector<std::string> warnings;  ///< rows left out, averages that do not agree with their rows
};

/// Throws InputError: a file that cannot be read or is no output of nccl-tests (file, line), an unknown node
/// or calibration, more GPUs on a node than the node has, a table whose collective is not told.
CollectivesFit calibrate_collectives(const CollectiveLogs& logs);

}  // namespace orrery::profiler
