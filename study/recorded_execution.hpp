// study/recorded_execution.hpp
//
// An execution as a file that can be compared again (`orrery validate CONFIG --recorded FILE`). One JSON
// object: what ran where and how, the costs the prediction was made with, and of every repetition each task's
// start and end. Beside that it is a trace of the first rank in the form of the PyTorch profiler, so that
// `orrery calibrate --runs FILE` and Perfetto read it.
#pragma once

#include <string>

#include "study/execute.hpp"

namespace orrery::study {

/// The text of the file.
std::string recording_of(const Experiment& experiment, const Executed& executed);

/// The execution that was recorded: the experiment's program, predicted again with the recorded costs. Throws
/// InputError (file named) for a file that is none, and for one of another program.
Executed read_recording(const std::string& file, const Experiment& experiment);

}  // namespace orrery::study
