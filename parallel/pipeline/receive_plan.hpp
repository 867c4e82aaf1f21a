// parallel/pipeline/receive_plan.hpp
//
// Where in its order a device posts each receive: the rule of parallel/pipeline/transfers.hpp.
#pragma once

#include <vector>

#include "parallel/pipeline/transfers.hpp"

namespace orrery::parallel {

/// [device] receives by the position before which they are posted. `transfers` knows what each action awaits
/// and sends. The orders are walked once without times: a device moves on when its inputs have been sent and,
/// where sends block, its own messages have been received. O(actions) walks of the devices at worst.
std::vector<PlacesByPosition> plan_receives(const schedules::Schedule& schedule, const Transfers& transfers,
                                            bool sends_block);

/// Where the overlapped unit that begins at `position` ends: one further for a single action.
std::size_t unit_end(const std::vector<schedules::Action>& order, std::size_t position);

}  // namespace orrery::parallel
