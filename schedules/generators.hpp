// schedules/generators.hpp
//
// The generators behind the registered names: one file each, named as its function. Every one throws
// InputError (key named after the offending size) for a shape that is not legal for it.
#pragma once

#include "schedules/schedule.hpp"

namespace orrery::schedules {

Schedule gpipe(const PipelineShape& shape);
Schedule one_f_one_b(const PipelineShape& shape);
Schedule eager_one_f_one_b(const PipelineShape& shape);
Schedule one_f_one_b_v(const PipelineShape& shape);
Schedule dapple(const PipelineShape& shape);
Schedule interleaved_one_f_one_b(const PipelineShape& shape);
Schedule interleaved_overlap(const PipelineShape& shape);
Schedule grouped_interleaved(const PipelineShape& shape);
Schedule breadth_first(const PipelineShape& shape);
Schedule terapipe(const PipelineShape& shape);
Schedule seq_one_f_one_b(const PipelineShape& shape);
Schedule zb_h1(const PipelineShape& shape);
Schedule zb_h2(const PipelineShape& shape);
Schedule zb_auto(const PipelineShape& shape);
Schedule zb_v(const PipelineShape& shape);
Schedule v_half(const PipelineShape& shape);
Schedule v_min(const PipelineShape& shape);
Schedule v_zb(const PipelineShape& shape);
Schedule v_auto(const PipelineShape& shape);
Schedule interleaved_zb(const PipelineShape& shape);
Schedule chimera(const PipelineShape& shape);
Schedule hanayo(const PipelineShape& shape);
Schedule pipedream(const PipelineShape& shape);
Schedule pipedream_2bw(const PipelineShape& shape);
Schedule bpipe(const PipelineShape& shape);
Schedule varuna(const PipelineShape& shape);
Schedule graphpipe(const PipelineShape& shape);
Schedule distmm(const PipelineShape& shape);
Schedule dynapipe(const PipelineShape& shape);
Schedule tessel(const PipelineShape& shape);
Schedule adapipe(const PipelineShape& shape);
Schedule mpress(const PipelineShape& shape);
Schedule mcap(const PipelineShape& shape);
Schedule dual_pipe(const PipelineShape& shape);
Schedule dual_pipe_v(const PipelineShape& shape);

/// Longest way from each stage to the end of a graph of stages, itself counted (schedules/graphpipe.cpp).
std::vector<int> depths_to_end(const std::vector<std::vector<int>>& stage_inputs);

}  // namespace orrery::schedules
