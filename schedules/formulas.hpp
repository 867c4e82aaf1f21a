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

Bubble full_bubble(const PipelineShape& shape);  ///< (p-1)X
Bubble gpipe_bubble(const PipelineShape& shape);
Bubble dapple_bubble(const PipelineShape& shape);         ///< (p-1)X, while the memory limit does not bind
Bubble interleaved_bubble(const PipelineShape& shape);    ///< (p-1)X/v, where p divides m
Bubble breadth_first_bubble(const PipelineShape& shape);  ///< (p-1)X/v, where m >= p
Bubble sliced_bubble(const PipelineShape& shape);         ///< (p-1)X/q
/// (p-1)(F+B-W), where m >= p and W is no longer than F and B; with v chunks a v-th of it, where p divides m.
Bubble zero_bubble_h1(const PipelineShape& shape);
/// (p-1)F, where F = B = W and m >= 2p; in the span sense none at all.
Bubble zero_bubble_h2(const PipelineShape& shape);
/// (p-2)(F + K(B+W-F)) for K units of p micro-batches, where B+W >= F (Chimera, units concatenated directly).
Bubble chimera_bubble(const PipelineShape& shape);
/// (p-1)F/2, where F = B = W and m >= 2p: only the last device's late start.
Bubble zero_bubble_v(const PipelineShape& shape);
Bubble graph_bubble(const PipelineShape& shape);   ///< (depth-1)X, depth of GraphPipe's graph of stages
Bubble v_half_bubble(const PipelineShape& shape);  ///< 3p-7 (p even) or 3p-4 chunk units, where F = B = W
Bubble v_min_bubble(const PipelineShape& shape);   ///< 4p-5, or 4p-7 where 3 divides p, where F = B = W

Peak peak_all(const PipelineShape& shape);          ///< m everywhere
Peak peak_one_f_one_b(const PipelineShape& shape);  ///< min(p-s, m)
Peak peak_eager(const PipelineShape& shape);        ///< min(2(p-s)-1, m)
Peak peak_dapple(const PipelineShape& shape);       ///< min(K_s, m), see schedules/dapple.cpp
Peak peak_interleaved(const PipelineShape& shape);  ///< min(2(p-s-1) + (v-1)n + 1, m v)/v, groups of n
Peak peak_interleaved_overlap(const PipelineShape& shape);  ///< min(2(p-s-1) + (v-1)n + 2, m v)/v
Peak peak_seq(const PipelineShape& shape);                  ///< min(p-s-1+q, m q)/q
Peak peak_graph(const PipelineShape& shape);                ///< min(depth of the stage, m)
Peak peak_h1(const PipelineShape& shape);                   ///< min(p, m)
Peak peak_h2(const PipelineShape& shape);                   ///< min(2p-1, m)
Peak peak_interleaved_zb(const PipelineShape& shape);       ///< min((v-1)n + p, m v)/v
Peak peak_chimera(const PipelineShape& shape);              ///< p/2+1 outside to p inside, where p divides m
Peak peak_dual_pipe(const PipelineShape& shape);            ///< p+1
Peak peak_dual_pipe_v(const PipelineShape& shape);          ///< (2p+1)/2

}  // namespace orrery::schedules
