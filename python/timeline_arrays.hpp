// python/timeline_arrays.hpp
//
// When each task of a step ran, as NumPy arrays with one entry a task.
#pragma once

#include <pybind11/pybind11.h>

#include "schedules/evaluate.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::python {

/// {"rank", "stage", "stream", "kind", "phase", "name", "microbatch", "chunk", "slice", "layer", "bytes",
/// "start", "end", "categories"}. Words are indices into the list of the same name in "categories".
pybind11::dict timeline_arrays(const sim::Program& program, const sim::Timeline& timeline);

/// The same of a bare schedule: {"device", "stage", "kind", "microbatch", "slice", "start", "end",
/// "categories"}.
pybind11::dict schedule_arrays(const schedules::Schedule& schedule, const schedules::Evaluation& evaluation);

}  // namespace orrery::python
