// schedules/gantt_svg.hpp
//
// The picture of a bare schedule as this field draws it: one row a device, one box an action with its
// micro-batch number, blue forwards, teal input gradients, green weight gradients, later chunks lighter.
#pragma once

#include <string>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

/// A whole SVG document. Boxes are wide enough for their numbers unless the picture would exceed about
/// 12,000 pixels; then numbers that do not fit are left out. Throws InputError (key "svg") beyond 200,000
/// actions.
std::string gantt_svg(const Schedule& schedule, const Evaluation& evaluation);

}  // namespace orrery::schedules
