// profiler/execute/cuda/lane_kernels.hpp
//
// Kernels that only an execution needs: sums of ranks' buffers, and doing nothing for a while.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace orrery::profiler::cuda {

constexpr int kMostSummands = 64;

/// Device addresses, passed to the kernel by value.
struct Summands {
    const float* at[kMostSummands];
    int count;
};

/// to[i] = sum of all at[.][i]. `accumulate`: to[i] besides. On at most `multiprocessors` (0: all) worth of
/// blocks. Returns what cudaGetLastError says.
cudaError_t launch_sum(const Summands& from, float* to, std::size_t count, bool accumulate,
                       int multiprocessors, cudaStream_t stream);

/// One thread that looks at the clock until `seconds` have passed.
cudaError_t launch_pause(double seconds, cudaStream_t stream);

}  // namespace orrery::profiler::cuda
