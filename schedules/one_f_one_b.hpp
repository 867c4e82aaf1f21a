// schedules/one_f_one_b.hpp
//
// The order that 1F1B and its relatives share.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// min(warm_up, m) forwards, then one forward and one backward in turn, then the rest of the backwards. The
/// k-th forward is actions of `forwards[k]`, the k-th backward of `backwards[k]`; both have the same length.
void append_one_f_one_b(std::vector<Action>& order, const std::vector<Action>& forwards,
                        const std::vector<Action>& backwards, int warm_up);

/// The same for m micro-batches of one stage, in ascending order.
void append_one_f_one_b(std::vector<Action>& order, int stage, int micro_batches, int warm_up);

/// Splits every joined backward into B and W; each W stands `delay` backwards behind its B, the last ones at
/// the end (schedules/zb_h.cpp).
std::vector<Action> split_backwards(const std::vector<Action>& joined, int delay);

}  // namespace orrery::schedules
