// tests/cli/command_line.hpp
//
// Runs the built binary and returns what it printed.
#pragma once

#include <string>

namespace orrery {

struct Outcome {
    int status = -1;  ///< exit status, or -1 when a signal ended it
    std::string out;
    std::string err;
};

/// `orrery <arguments>` through the shell.
Outcome orrery_command(const std::string& arguments);

}  // namespace orrery
