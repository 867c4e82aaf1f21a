// profiler/kernels/cuda/plugin.hpp
//
// The entry points of liborrery_cuda.so, which holds all of Orrery's CUDA code and is loaded when a GPU is
// asked for: the command itself starts without CUDA's libraries and runs on machines that lack them.
#pragma once

#include "profiler/communication/collective_sweep.hpp"
#include "profiler/communication/processes.hpp"
#include "profiler/kernels/backend.hpp"

extern "C" {

/// The backend of a GPU, owned by the caller. Throws MissingCapability when there is no such GPU, and
/// ExperimentError.
orrery::profiler::Backend* orrery_cuda_backend(int device);

/// Why there is no GPU to use ("no NVIDIA driver"), or null. The text lives for ever.
const char* orrery_cuda_unavailable();

/// Takes over `processes`. Throws MissingCapability where the build has no NCCL, ExperimentError for one GPU.
orrery::profiler::CollectiveRunner* orrery_nccl_runner(orrery::profiler::Processes* processes);
}
