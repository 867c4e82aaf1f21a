#include "profiler/execute/cuda/lane_kernels.hpp"

#include <algorithm>
#include <cstdint>

namespace orrery::profiler::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kBlocksEach = 4;  ///< a multiprocessor
constexpr int kAllMultiprocessors = 132;

/// Four floats a thread and access.
__global__ void sum_of_four(Summands from, float4* to, std::size_t count, bool accumulate) {
    const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += stride) {
        float4 total = accumulate ? to[i] : make_float4(0, 0, 0, 0);
        for (int k = 0; k < from.count; ++k) {
            const float4 value = reinterpret_cast<const float4*>(from.at[k])[i];
            total.x += value.x;
            total.y += value.y;
            total.z += value.z;
            total.w += value.w;
        }
        to[i] = total;
    }
}

__global__ void sum_of_one(Summands from, float* to, std::size_t first, std::size_t count, bool accumulate) {
    const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = first + static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += stride) {
        float total = accumulate ? to[i] : 0;
        for (int k = 0; k < from.count; ++k) total += from.at[k][i];
        to[i] = total;
    }
}

__global__ void pause(std::uint64_t nanoseconds) {
    std::uint64_t begin = 0;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    std::uint64_t now = begin;
    while (now - begin < nanoseconds) {
        __nanosleep(500);
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    }
}

bool aligned(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address) % sizeof(float4) == 0;
}

int blocks_for(std::size_t count, int multiprocessors) {
    const int most = kBlocksEach * (multiprocessors > 0 ? multiprocessors : kAllMultiprocessors);
    return static_cast<int>(std::clamp<std::size_t>((count + kThreads - 1) / kThreads, 1, most));
}

}  // namespace

cudaError_t launch_sum(const Summands& from, float* to, std::size_t count, bool accumulate,
                       int multiprocessors, cudaStream_t stream) {
    bool wide = aligned(to);
    for (int k = 0; k < from.count; ++k) wide = wide && aligned(from.at[k]);
    const std::size_t fours = wide ? count / 4 : 0;
    if (fours > 0) {
        sum_of_four<<<blocks_for(fours, multiprocessors), kThreads, 0, stream>>>(
            from, reinterpret_cast<float4*>(to), fours, accumulate);
    }
    if (fours * 4 < count) {
        sum_of_one<<<blocks_for(count - fours * 4, multiprocessors), kThreads, 0, stream>>>(
            from, to, fours * 4, count, accumulate);
    }
    return cudaGetLastError();
}

cudaError_t launch_pause(double seconds, cudaStream_t stream) {
    pause<<<1, 1, 0, stream>>>(static_cast<std::uint64_t>(std::max(seconds, 0.0) * 1e9));
    return cudaGetLastError();
}

}  // namespace orrery::profiler::cuda
