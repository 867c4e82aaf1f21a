// profiler/fit_quality.hpp
//
// Summaries of how a model meets its samples.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/calibration.hpp"

namespace orrery::profiler {

using Predict = std::function<double(const Sample&)>;

/// Relative errors |predicted / measured - 1|: median, 90th percentile, worst and where.
sim::FitQuality measure_quality(const std::vector<Sample>& samples, const Predict& predict);

/// The q-quantile by linear interpolation between order statistics; 0 for no values.
double quantile(std::vector<double> values, double q);

/// Least and greatest `value` over the samples.
sim::Range range_of(const std::vector<Sample>& samples, const std::function<double(const Sample&)>& value);

/// "m=4096 n=512 k=32768 nn", "16 MB": a sample for messages.
std::string describe(const Sample& sample);

}  // namespace orrery::profiler
