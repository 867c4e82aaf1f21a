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
Schedule dapple(const PipelineShape& shape);
Schedule interleaved_one_f_one_b(const PipelineShape& shape);
Schedule interleaved_overlap(const PipelineShape& shape);
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
Schedule interleaved_zb(const PipelineShape& shape);
Schedule chimera(const PipelineShape& shape);
Schedule dual_pipe(const PipelineShape& shape);
Schedule dual_pipe_v(const PipelineShape& shape);

}  // namespace orrery::schedules
