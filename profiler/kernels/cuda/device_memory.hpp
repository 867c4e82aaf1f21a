// profiler/kernels/cuda/device_memory.hpp
//
// Device and pinned host memory with owners. Plain allocations, never managed memory.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "profiler/kernels/cuda/check.hpp"

namespace orrery::profiler::cuda {

class DeviceBuffer {
  public:
    DeviceBuffer() = default;
    /// Throws ExperimentError.
    explicit DeviceBuffer(std::size_t bytes) : bytes_(bytes) {
        if (bytes == 0) return;
        const cudaError_t status = cudaMalloc(&data_, bytes);
        if (status == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            throw ExperimentError("not enough memory on the GPU for " + std::to_string(bytes) +
                                  " bytes more");
        }
        check(status, "cudaMalloc");
    }
    ~DeviceBuffer() { (void)cudaFree(data_); }
    DeviceBuffer(DeviceBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    DeviceBuffer(const DeviceBuffer&) = delete;
    DeviceBuffer& operator=(const DeviceBuffer&) = delete;

    [[nodiscard]] void* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

class PinnedBuffer {
  public:
    explicit PinnedBuffer(std::size_t bytes) { ORRERY_CUDA(cudaMallocHost(&data_, bytes)); }
    ~PinnedBuffer() { (void)cudaFreeHost(data_); }
    PinnedBuffer(const PinnedBuffer&) = delete;
    PinnedBuffer& operator=(const PinnedBuffer&) = delete;
    [[nodiscard]] void* data() const { return data_; }

  private:
    void* data_ = nullptr;
};

}  // namespace orrery::profiler::cuda
