// profiler/calibrate_profile.hpp
//
// From the profiler's own samples (profiler/profile/record.hpp) to a calibration: every family is fitted to
// what was measured; what was not measured is taken from a base calibration, and says so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiler/profile/record.hpp"
#include "profiler/samples.hpp"
#include "sim/cost/calibration.hpp"
#include "topologies/cluster.hpp"

namespace orrery::profiler {

/// The records that a calibration is fitted to: cold ones, as samples with their implementation in
/// `kernel.attention` ("cudnn", unfused, or flash2 for the CPU's own).
std::vector<Sample> samples_of(const std::vector<Record>& records);

/// The calibration of `gpu` from records of one device. `base` fills in what they lack; without it that is an
/// InputError for a family of kernels, and zero for the host's work. Throws InputError for records of several
/// devices, or none.
sim::Calibration calibrate_profile(const std::vector<Record>& records, const topologies::Gpu& gpu,
                                   const std::optional<sim::Calibration>& base);

}  // namespace orrery::profiler
