// schedules/nearest_name.hpp
#pragma once

#include <string_view>
#include <vector>

namespace orrery::schedules {

/// The name with the smallest edit distance (Levenshtein); the first of equals. `names` is not empty.
std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace orrery::schedules
