// report/html/result_charts.hpp
//
// The bar charts made from results, shared by the pages.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/html/charts.hpp"
#include "report/result.hpp"

namespace orrery::report {

/// Where the seconds go, one bar per label. Parts that are zero everywhere are left out.
BarChart time_chart(const std::vector<std::string>& labels, std::span<const Breakdown> breakdowns);

/// Memory by kind, one bar per label, against the GPU's capacity (0: no line).
BarChart memory_chart(const std::vector<std::string>& labels, std::span<const BytesByKind> memories,
                      double capacity_bytes);

}  // namespace orrery::report
