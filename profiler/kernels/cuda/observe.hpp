// profiler/kernels/cuda/observe.hpp
//
// Looking at a GPU without touching its settings: NVML's clocks and temperature, CUPTI's record of the
// kernels that really ran.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "profiler/kernels/backend.hpp"

namespace orrery::profiler::cuda {

/// NVML, loaded when it is there; reads only.
class GpuSensors {
  public:
    /// `pci_bus_id` as cudaDeviceGetPCIBusId writes it.
    explicit GpuSensors(const std::string& pci_bus_id);
    ~GpuSensors();
    GpuSensors(const GpuSensors&) = delete;
    GpuSensors& operator=(const GpuSensors&) = delete;

    [[nodiscard]] Conditions read() const;

  private:
    struct Library;
    std::unique_ptr<Library> library_;
};

/// Runs `work` (which must wait for the device) under CUPTI's activity tracing. Empty where CUPTI is absent
/// or refuses.
Backend::Activity record_activity(const std::function<void()>& work);

}  // namespace orrery::profiler::cuda
