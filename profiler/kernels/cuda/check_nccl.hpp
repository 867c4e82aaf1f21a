// profiler/kernels/cuda/check_nccl.hpp
//
// Every call of NCCL is checked, as every call of CUDA (check.hpp).
#pragma once

#include <nccl.h>

#include <string>

#include "core/error.hpp"

namespace orrery::profiler::cuda {

inline void check_nccl(ncclResult_t status, const char* call) {
    if (status == ncclSuccess) return;
    throw ExperimentError(std::string(call) + ": " + ncclGetErrorString(status) + ": " +
                          ncclGetLastError(nullptr));
}

}  // namespace orrery::profiler::cuda

/// Runs the call and checks what it returns; the message holds the call as written.
#define ORRERY_NCCL(call) ::orrery::profiler::cuda::check_nccl((call), #call)
