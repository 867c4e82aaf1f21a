// schedules/zb_v_fixed.hpp
//
// ZB-V without a search: the variant "fixed" of zb-v.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Orders of all devices for V-placed stages; they do not depend on the shape's times.
std::vector<std::vector<Action>> zb_v_fixed_orders(const PipelineShape& shape);

}  // namespace orrery::schedules
