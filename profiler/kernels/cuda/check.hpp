// profiler/kernels/cuda/check.hpp
//
// Every call of CUDA and its libraries is checked: a status that is not success becomes an ExperimentError
// with the library's own words.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <string>

#include "core/error.hpp"

namespace orrery::profiler::cuda {

inline void check(cudaError_t status, const char* call) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();  // clears it, so that the next kernel is not blamed
    throw ExperimentError(std::string(call) + ": " + cudaGetErrorName(status) + ": " +
                          cudaGetErrorString(status));
}

inline void check(cublasStatus_t status, const char* call) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw ExperimentError(std::string(call) + ": " + cublasGetStatusString(status));
}

}  // namespace orrery::profiler::cuda

/// Runs the call and checks what it returns; the message holds the call as written.
#define ORRERY_CUDA(call) ::orrery::profiler::cuda::check((call), #call)
