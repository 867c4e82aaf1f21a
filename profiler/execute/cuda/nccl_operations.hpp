// profiler/execute/cuda/nccl_operations.hpp
//
// Operations between GPUs by NCCL: a communicator of NCCL's for each of the program's, every member's side of
// an operation issued in one group, so that no host can wait for another.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

#include "profiler/execute/device_operations.hpp"

namespace orrery::profiler::cuda {

struct NcclPlaces {
    std::function<int(sim::RankId)> device_of;
    std::function<cudaStream_t(Lane)> stream_of;
    /// Called with a function that aborts all communicators; with none when they are gone.
    std::function<void(std::function<void()>)> on_abandon;
};

/// Throws MissingCapability where this build has no NCCL.
std::unique_ptr<Operations> make_nccl_operations(NcclPlaces places);

}  // namespace orrery::profiler::cuda
