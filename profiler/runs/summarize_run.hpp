// profiler/runs/summarize_run.hpp
//
// Where a recorded step's time went: by family, in gaps, in communication that nothing covers, and how much
// kernels slow down beside a collective, all from the recording alone.
#pragma once

#include <array>

#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {

struct FamilyTime {
    int tasks = 0;
    double sum_s = 0;  ///< of durations; parallel ones count each
};

/// Kernels of one name that ran both alone and beside communication, time-weighted.
struct Slowdown {
    int kernels = 0;   ///< distinct names that did; 0: no figure
    int runs = 0;      ///< of those beside communication
    double ratio = 1;  ///< median time beside / median time alone, weighted by time
};

struct RunSummary {
    double span_s = 0;             ///< first start to last end
    double busy_s = 0;             ///< some device work running
    double gap_s = 0;              ///< span without any: the host, or another rank
    double compute_s = 0;          ///< some kernel or copy running that is no communication
    double exposed_comm_s = 0;     ///< only communication running
    double overlapped_comm_s = 0;  ///< communication beside kernels
    std::array<FamilyTime, kRunFamilies> families{};
    Slowdown slowdown;
};

RunSummary summarize_run(const MeasuredRun& run);

}  // namespace orrery::profiler
