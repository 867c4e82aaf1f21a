#pragma once

#include <string>

#include "profiler/calibrate_collectives.hpp"

namespace orrery::cli {

/// Whether the file is output of nccl-tests. Throws InputError where it cannot be read.
bool is_nccl_log(const std::string& path);

/// orrery calibrate LOG... --node NAME [--out FILE]. Writes the calibration to the file, or, without one, to
/// standard output.
int calibrate_collectives(profiler::CollectiveLogs logs, const std::string& out, bool json);

}  // namespace orrery::cli
