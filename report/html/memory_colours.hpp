// report/html/memory_colours.hpp
//
// One colour for each kind of memory, in all pictures.
#pragma once

#include <cstddef>
#include <string>

namespace orrery::report {

/// The style sheet's variable, without the dashes; `kind` counts as sim::MemoryKind does.
inline std::string memory_kind_colour(std::size_t kind) {
    return "s" + std::to_string(kind);
}

}  // namespace orrery::report
