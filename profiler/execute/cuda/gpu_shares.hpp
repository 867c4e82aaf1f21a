// profiler/execute/cuda/gpu_shares.hpp
//
// A cluster in one GPU: its multiprocessors divided into equal shares by green contexts (CUDA driver
// API, 12.4 and later), one for each rank. What runs on a share's streams runs on its multiprocessors alone;
// memory, its bandwidth and the L2 cache are everybody's.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

namespace orrery::profiler::cuda {

class GpuShares {
  public:
    /// The driver's functions are looked up when this is called. Throws MissingCapability where the driver or
    /// the build has none; ExperimentError for more ranks than the GPU has shares for.
    GpuShares(int device, int ranks);
    ~GpuShares();
    GpuShares(const GpuShares&) = delete;
    GpuShares& operator=(const GpuShares&) = delete;

    /// A new stream on the rank's share; the caller destroys it. It is used with the GPU's primary context
    /// current.
    [[nodiscard]] cudaStream_t make_stream(int rank) const;
    /// Of each share.
    [[nodiscard]] int multiprocessors() const { return multiprocessors_; }

  private:
    struct Driver;
    struct Contexts;

    std::unique_ptr<Driver> driver_;
    std::unique_ptr<Contexts> contexts_;
    int multiprocessors_ = 0;
};

}  // namespace orrery::profiler::cuda
