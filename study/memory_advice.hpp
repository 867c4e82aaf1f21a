// study/memory_advice.hpp
//
// What to change in an experiment that does not fit into memory. Every proposal has been simulated: its peak
// is that of the changed plan, not an estimate.
#pragma once

#include <string>
#include <vector>

#include "report/result.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// A legal change that lowers the peak.
struct MemoryChange {
    std::vector<std::string> overrides;  ///< as --set takes them: "training.recompute=full"
    double peak_bytes = 0;
    double step_time_s = 0;
    bool fits = false;
};

/// Changes of one key or of a pair of degrees, those that fit first, the fastest of those first; then by
/// peak. Where none fits alone, the best ones together come last.
std::vector<MemoryChange> changes_that_save_memory(const Experiment& experiment, double peak_bytes);

/// "does not fit: rank 0 (stage 0) needs 93.1 GiB, a GPU has 80.0 GiB", with the changes, one a line.
std::string does_not_fit(const Experiment& experiment, const report::Result& result,
                         const std::vector<MemoryChange>& changes);

}  // namespace orrery::study
