// schedules/formulas.hpp
//
// Declared closed forms: bubbles (makespan minus the busiest device's work, without communication; X = F+B+W)
// and peak activations per device, held until W. Each is exact where it is given at all.
#pragma once

#include <optional>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

using Bubble = std::optional<double>;
using Peak = std::optional<std::vector<double>>;

Bubble full_bubble(const PipelineShape& shape);         ///< (p-1)X
Bubble interleaved_bubble(const PipelineShape& shape);  ///< (p-1)X/v, where p divides m

Peak peak_all(const PipelineShape& shape);          ///< m everywhere
Peak peak_one_f_one_b(const PipelineShape& shape);  ///< min(p-s, m)
Peak peak_interleaved(const PipelineShape& shape);  ///< min(2(p-s-1) + (v-1)n + 1, m v)/v, groups of n

}  // namespace orrery::schedules
