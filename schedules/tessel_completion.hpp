// schedules/tessel_completion.hpp
//
// The second phase of Tessel: better warm-up and cool-down around a steady state that stays as it is.
#pragma once

#include <functional>
#include <string>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

struct CompletionLimits {
    double memory_limit = 0;  ///< micro-batch activations of one device's share
    double seconds = 0;
    int depth = 1;  ///< micro-batches in flight in the steady state: what warm-up and cool-down are made of
    std::function<void(const std::string&)> progress = nullptr;
};

/// Exchanges neighbouring actions of the first and the last `depth` micro-batches' worth of every device's
/// order, as long as that shortens the batch (then, at equal length, lets devices end earlier) without any
/// device exceeding the limit. At most a fixed number of exchanges is tried.
void complete(Schedule& schedule, const ActionTimes& times, const CompletionLimits& limits);

}  // namespace orrery::schedules
