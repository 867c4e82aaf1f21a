// core/own_file.hpp
//
// Where the running code was loaded from: the command, or the Python module (python/). Data and modules are
// looked for from there.
#pragma once

#include <filesystem>

namespace orrery {

struct OwnFile {
    std::filesystem::path path;  ///< absolute, links followed; empty when the system does not tell
    bool is_program = true;      ///< false: a library that another program (Python) has loaded
};

/// The file that holds this code. Found once, at the first call: a relative path counts from the working
/// folder of that moment.
const OwnFile& own_file();

}  // namespace orrery
