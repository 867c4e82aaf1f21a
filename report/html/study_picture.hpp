// report/html/study_picture.hpp
//
// A study's points in its two chosen columns, with the line of those that no other beats in both.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/study_report.hpp"

namespace orrery::report {

/// Indices of the points that fit and that no other such point beats in columns x and y (by
/// StudyColumn::better), in the order of x. Empty where a column has no better direction.
std::vector<std::size_t> front_of(const StudyReport& study, std::size_t x, std::size_t y);

/// SVG for pages without the script; empty where the columns hold no numbers.
std::string study_picture(const StudyReport& study);

}  // namespace orrery::report
