// report/pareto.hpp
//
// The results that no other one beats in time and in memory at once.
#pragma once

#include <span>
#include <vector>

#include "report/result.hpp"

namespace orrery::report {

/// on_front[i]: result i fits, and no other that fits has a step as short and a peak as low with one of them
/// better.
std::vector<bool> time_memory_front(std::span<const Result> results);

}  // namespace orrery::report
