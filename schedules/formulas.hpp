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

Bubble full_bubble(const PipelineShape& shape);           ///< (p-1)X
Bubble dapple_bubble(const PipelineShape& shape);         ///< (p-1)X, while the memory limit does not bind
Bubble interleaved_bubble(const PipelineShape& shape);    ///< (p-1)X/v, where p divides m
Bubble breadth_first_bubble(const PipelineShape& shape);  ///< (p-1)X/v, where m >= p
Bubble sliced_bubble(const PipelineShape& shape);         ///< (p-1)X/q

Peak peak_all(const PipelineShape& shape);          ///< m everywhere
Peak peak_one_f_one_b(const PipelineShape& shape);  ///< min(p-s, m)
Peak peak_eager(const PipelineShape& shape);        ///< min(2(p-s)-1, m)
Peak peak_dapple(const PipelineShape& shape);       ///< min(K_s, m), see schedules/dapple.cpp
Peak peak_interleaved(const PipelineShape& shape);  ///< min(2(p-s-1) + (v-1)n + 1, m v)/v, groups of n
Peak peak_interleaved_overlap(const PipelineShape& shape);  ///< min(2(p-s-1) + (v-1)n + 2, m v)/v
Peak peak_seq(const PipelineShape& shape);                  ///< min(p-s-1+q, m q)/q
Peak peak_dual_pipe(const PipelineShape& shape);            ///< p+1
Peak peak_dual_pipe_v(const PipelineShape& shape);          ///< (2p+1)/2

}  // namespace orrery::schedules
