// report/html/memory_picture.hpp
//
// Memory over the step as SVG: one panel a rank, its kinds stacked, the GPU's capacity as a line.
#pragma once

#include <string>

#include "report/memory_over_time.hpp"

namespace orrery::report {

/// All panels on one scale; hovering tells what is held. Empty where there is nothing to draw.
std::string memory_picture(const MemoryOverTime& memory);

}  // namespace orrery::report
