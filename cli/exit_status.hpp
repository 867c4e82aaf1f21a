// cli/exit_status.hpp
//
// Exit states of the command: 0 done, 1 the experiment cannot run, 2 bad input, 3 this machine lacks what was
// asked, 70 (EX_SOFTWARE of sysexits.h) a defect of Orrery.
#pragma once

#include <functional>

namespace orrery::cli {

constexpr int kDone = 0;
constexpr int kCannotRun = 1;
constexpr int kBadInput = 2;
constexpr int kLacking = 3;
constexpr int kDefect = 70;

/// Runs the work; what it throws is printed to standard error ("orrery: error: file:line:col: key: message")
/// and becomes the exit status. Output that could not be written makes the status 1.
int exit_status_of(const std::function<int()>& work);

}  // namespace orrery::cli
