// schedules/gantt_text.hpp
//
// The picture of a bare schedule in a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

enum class TextColour : std::uint8_t {
    none,     ///< plain ASCII: F0-, B0-, W0-, lower case for later chunks, '.' for idle
    basic,    ///< the 16 colours every terminal has
    indexed,  ///< 256 colours
};

/// One line a device, at most `width` columns wide (at least 20 are used), and a legend. When the shortest
/// action is narrower than a column, a column shows what fills most of it and numbers are left out. Evictions
/// and loads, which run beside the actions, are not drawn.
std::string gantt_text(const Schedule& schedule, const Evaluation& evaluation, int width, TextColour colour);

}  // namespace orrery::schedules
