// profiler/profile/profile.hpp
//
// Measures a design on a device and appends each sample to a file. How a kernel is measured:
//   1. as many operand sets as together exceed twice the cache (one set for a hot measurement);
//   2. warm-up runs until clocks, libraries and caches have settled;
//   3. batches of runs, each long enough for the clock that times it, until the stopping rule ends;
//   4. the median batch is the sample's time, half the quartiles' distance its spread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiler/kernels/backend.hpp"
#include "profiler/profile/design.hpp"
#include "profiler/profile/sample_file.hpp"

namespace orrery::profiler {

struct MeasureOptions {
    StoppingLimits stop;
    double warm_up_s = 0.01;
    double least_batch_s = 2e-4;  ///< clocks are good to half a microsecond
    int most_runs = 1000;         ///< of a batch
    int most_sets = 64;
};

/// One kernel. Precondition: backend.supports(point.kernel_case). Throws ExperimentError when its operands do
/// not fit, or the device's library refuses it.
Record measure(Backend& backend, const DesignPoint& point, const MeasureOptions& options);

struct ProfileOptions {
    MeasureOptions measure;
    double budget_s = 0;  ///< no kernel is begun after this; 0: no end
    std::string command;  ///< for the records
};

struct ProfileSummary {
    std::size_t measured = 0;
    std::size_t already_there = 0;    ///< found in the file
    std::size_t unsupported = 0;      ///< that the device cannot do at all
    std::size_t left = 0;             ///< when the budget ended
    std::vector<std::string> failed;  ///< "case: reason"
};

/// Measures what the file does not hold yet, in the design's order. `progress` is called after each point
/// with the number of points done.
ProfileSummary profile(Backend& backend, const std::vector<DesignPoint>& points, SampleFile& file,
                       const ProfileOptions& options, const std::function<void(std::size_t)>& progress);

/// Now, UTC: "2026-11-24T06:30:00Z".
std::string utc_now();

}  // namespace orrery::profiler
