// schedules/generators.hpp
//
// The generators behind the registered names: one file each, named as its function. Every one throws
// InputError (key named after the offending size) for a shape that is not legal for it.
#pragma once

#include "schedules/schedule.hpp"

namespace orrery::schedules {

Schedule gpipe(const PipelineShape& shape);
Schedule one_f_one_b(const PipelineShape& shape);
Schedule interleaved_one_f_one_b(const PipelineShape& shape);

}  // namespace orrery::schedules
