// profiler/execute/mpi/plugin.hpp
//
// The executor's entry point of liborrery_mpi.so. What it returns is the caller's.
#pragma once

#include "profiler/execute/transport.hpp"

extern "C" {
/// Starts MPI in this process. Throws ExperimentError.
orrery::profiler::Transport* orrery_mpi_transport();
}
