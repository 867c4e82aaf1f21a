// profiler/compare_calibrations.hpp
//
// Two calibrations side by side, in the numbers a user knows: what rate or time each predicts for the same
// kernels, not the parameters behind it.
#pragma once

#include <string>
#include <vector>

#include "sim/cost/calibration.hpp"

namespace orrery::profiler {

struct CalibrationDifference {
    std::string what;  ///< "GEMM bf16 tn 8192 x 8192 x 8192"
    std::string unit;  ///< "TFLOP/s", "GB/s", "us"
    double a = 0;
    double b = 0;  ///< 0 with `a`, or alone: that calibration has no model for it
    /// b is that much faster (rates) or slower (times): b / a - 1; 0 where one is missing.
    [[nodiscard]] double change() const { return a > 0 && b > 0 ? b / a - 1 : 0; }
};

/// Each on its own GPU of the zoo. Throws InputError when a calibration names no GPU of the zoo.
std::vector<CalibrationDifference> compare_calibrations(const sim::Calibration& a, const sim::Calibration& b);

}  // namespace orrery::profiler
