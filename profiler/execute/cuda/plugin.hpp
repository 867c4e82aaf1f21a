// profiler/execute/cuda/plugin.hpp
//
// The executor's entry point of liborrery_cuda.so. What it returns is the caller's.
#pragma once

#include "profiler/execute/devices.hpp"

extern "C" {
/// The devices of so many ranks: a GPU each, where this machine has as many; otherwise all in the first GPU,
/// each with its own share of the multiprocessors. Throws MissingCapability for what the machine lacks (GPUs,
/// a driver with green contexts, NCCL between several GPUs), ExperimentError.
orrery::profiler::Devices* orrery_cuda_devices(int ranks);
}
