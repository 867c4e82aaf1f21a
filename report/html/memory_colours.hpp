// report/html/memory_colours.hpp
//
// One name and one colour for each kind of memory, in all pictures.
#pragma once

#include <algorithm>
#include <string>

#include "sim/program.hpp"

namespace orrery::report {

/// "optimizer state"; `kind` counts as sim::MemoryKind does.
inline std::string memory_kind_name(std::size_t kind) {
    std::string name(sim::to_string(static_cast<sim::MemoryKind>(kind)));
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
}

/// The style sheet's variable, without the dashes.
inline std::string memory_kind_colour(std::size_t kind) {
    return "s" + std::to_string(kind);
}

}  // namespace orrery::report
