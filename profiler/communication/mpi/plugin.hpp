// profiler/communication/mpi/plugin.hpp
//
// The entry points of liborrery_mpi.so. What they return is the caller's.
#pragma once

#include "profiler/communication/collective_sweep.hpp"
#include "profiler/communication/processes.hpp"

extern "C" {
orrery::profiler::Processes* orrery_mpi_processes();
orrery::profiler::CollectiveRunner* orrery_mpi_runner();
}
