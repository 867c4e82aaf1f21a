// profiler/calibrate.hpp
//
// Samples in, calibration out: which tables make which GPU's calibration, and what is derived from a related
// GPU where it has none of its own. Every group of numbers says so in its provenance. Deterministic.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/calibration.hpp"

namespace orrery::profiler {

/// The tables by name: the file's name without folder and ".csv".
using Tables = std::map<std::string, Table>;

/// Reads the files; throws InputError for a name given twice.
Tables read_tables(const std::vector<std::string>& paths);

/// The GPUs that `calibrate` knows how to make a calibration for: the rows of gpus.csv.
std::vector<std::string> calibrated_gpus(const Tables& tables);

/// The calibration of one GPU from the tables. Throws InputError for an unknown GPU or a missing table,
/// saying which.
sim::Calibration calibrate(const std::string& gpu, const Tables& tables);

}  // namespace orrery::profiler
