// cli/list.hpp
#pragma once

#include <string>
#include <vector>

namespace orrery::cli {

/// What `orrery list` lists: "models", "clusters", ...
std::vector<std::string> list_kinds();

}  // namespace orrery::cli
