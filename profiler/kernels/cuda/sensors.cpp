// NVML through dlopen: the driver brings it, no package is needed. Signatures from NVIDIA's NVML reference.
#include <dlfcn.h>

#include "profiler/kernels/cuda/observe.hpp"

namespace orrery::profiler::cuda {
namespace {

using Device = void*;
constexpr int kSuccess = 0;
constexpr int kGraphicsClock = 0;  // NVML_CLOCK_GRAPHICS
constexpr int kMemoryClock = 2;    // NVML_CLOCK_MEM
constexpr int kGpuSensor = 0;      // NVML_TEMPERATURE_GPU

template <class F>
F symbol(void* library, const char* name) {
    return reinterpret_cast<F>(dlsym(library, name));
}

}  // namespace

struct GpuSensors::Library {
    void* handle = nullptr;
    Device device = nullptr;
    int (*shutdown)() = nullptr;
    int (*clock)(Device, int, unsigned*) = nullptr;
    int (*temperature)(Device, int, unsigned*) = nullptr;
    int (*power)(Device, unsigned*) = nullptr;
};

GpuSensors::GpuSensors(const std::string& pci_bus_id) : library_(std::make_unique<Library>()) {
    Library& l = *library_;
    l.handle = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (l.handle == nullptr) return;
    const auto init = symbol<int (*)()>(l.handle, "nvmlInit_v2");
    const auto find = symbol<int (*)(const char*, Device*)>(l.handle, "nvmlDeviceGetHandleByPciBusId_v2");
    if (init == nullptr || find == nullptr || init() != kSuccess) return;
    l.shutdown = symbol<int (*)()>(l.handle, "nvmlShutdown");
    if (find(pci_bus_id.c_str(), &l.device) != kSuccess) l.device = nullptr;
    l.clock = symbol<int (*)(Device, int, unsigned*)>(l.handle, "nvmlDeviceGetClockInfo");
    l.temperature = symbol<int (*)(Device, int, unsigned*)>(l.handle, "nvmlDeviceGetTemperature");
    l.power = symbol<int (*)(Device, unsigned*)>(l.handle, "nvmlDeviceGetPowerUsage");
}

GpuSensors::~GpuSensors() {
    if (library_->shutdown != nullptr) (void)library_->shutdown();
    if (library_->handle != nullptr) (void)dlclose(library_->handle);
}

Conditions GpuSensors::read() const {
    const Library& l = *library_;
    Conditions out;
    if (l.device == nullptr) return out;
    unsigned value = 0;
    if (l.clock != nullptr && l.clock(l.device, kGraphicsClock, &value) == kSuccess) out.clock_mhz = value;
    if (l.clock != nullptr && l.clock(l.device, kMemoryClock, &value) == kSuccess)
        out.memory_clock_mhz = value;
    if (l.temperature != nullptr && l.temperature(l.device, kGpuSensor, &value) == kSuccess)
        out.temperature_c = value;
    if (l.power != nullptr && l.power(l.device, &value) == kSuccess) out.power_w = value / 1000.0;
    return out;
}

}  // namespace orrery::profiler::cuda
