// tests/execution/mpi_here.hpp
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace orrery {

/// The MPI module stands beside the command, and there is an mpirun.
inline bool mpi_here() {
    const std::string binary = ORRERY_BINARY;
    const std::string module = binary.substr(0, binary.rfind('/')) + "/liborrery_mpi.so";
    return std::system("command -v mpirun >/dev/null") == 0 && ::access(module.c_str(), R_OK) == 0;
}

/// Times are compared where nothing else runs; order and ends are tested everywhere.
inline bool machine_is_quiet() {
    return std::getenv("ORRERY_QUIET_MACHINE") != nullptr;
}

inline std::vector<std::string> rank_command() {
    return {ORRERY_BINARY, "execute-rank"};
}

}  // namespace orrery
