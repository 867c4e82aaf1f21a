// study/step_window.hpp
#pragma once

#include <optional>

#include "parallel/lower.hpp"
#include "sim/metrics/metrics.hpp"
#include "sim/timeline.hpp"

namespace orrery::study {

/// Of a schedule without a flush: the part of the program's timeline (simulated or measured) that is one
/// step, in steady state. Nothing: all of the timeline is.
std::optional<sim::StepWindow> step_window(const parallel::Lowered& lowered, const sim::Timeline& timeline);

}  // namespace orrery::study
