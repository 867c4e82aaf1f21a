// report/html/link_heat_map.hpp
//
// How busy the links were over the step: a row a link, a column a slice of time, the darker the busier.
#pragma once

#include <string>

#include "report/result.hpp"

namespace orrery::report {

/// An SVG picture, the tiers one below the other, the network's links first. Every cell says its figure when
/// pointed at. Empty where no link carried anything.
std::string link_heat_map(const NetworkResult& network);

}  // namespace orrery::report
