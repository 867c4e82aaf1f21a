// report/html/svg_charts.hpp
//
// Each chart as a plain SVG picture (see charts.hpp).
#pragma once

#include <string>

#include "report/html/charts.hpp"

namespace orrery::report {

inline constexpr double kPictureWidth = 1100;

std::string svg_of(const Gantt& gantt);
std::string svg_of(const BarChart& chart);
std::string svg_of(const ScatterChart& chart);
std::string svg_of(const Histogram& chart);

}  // namespace orrery::report
