// Any bytes as a calibration: read, or refused with an InputError. What is read prices kernels without harm
// and writes back to what reads the same.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "sim/cost/kernel_cost.hpp"

namespace {

void price_some(const orrery::sim::Calibration& calibration) {
    orrery::topologies::Gpu gpu;
    gpu.memory_bandwidth = 2e12;
    gpu.multiprocessors = 108;
    gpu.peak_flops = {{"bf16", 312e12}};
    orrery::Kernel kernel;
    kernel.m = kernel.n = 1000;
    kernel.k = 64;
    kernel.heads = kernel.kv_heads = 4;
    kernel.bytes = 1e6;
    for (const auto kind : {orrery::KernelKind::gemm, orrery::KernelKind::grouped_gemm,
                            orrery::KernelKind::attention, orrery::KernelKind::memory_bound}) {
        kernel.kind = kind;
        try {
            const double time = orrery::sim::kernel_time(kernel, calibration, gpu);
            if (!std::isfinite(time) || time < 0) std::abort();
        } catch (const orrery::ExperimentError&) {
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    try {
        const orrery::sim::Calibration calibration = orrery::sim::parse_calibration(text, "fuzz.yaml");
        price_some(calibration);
        const std::string written = orrery::sim::to_yaml(calibration);
        if (orrery::sim::to_yaml(orrery::sim::parse_calibration(written, "again.yaml")) != written)
            std::abort();
    } catch (const orrery::InputError&) {
    }
    return 0;
}
