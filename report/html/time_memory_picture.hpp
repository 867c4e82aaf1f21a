// report/html/time_memory_picture.hpp
//
// Step time against peak memory, one point a result, the Pareto front drawn through.
#pragma once

#include <span>
#include <string>

#include "report/result.hpp"

namespace orrery::report {

/// An SVG picture: the front's points and those that do not fit have colours of their own; names beside them;
/// a line at the memory of a GPU where all have the same. Results must not be empty.
std::string time_memory_picture(std::span<const Result> results);

}  // namespace orrery::report
