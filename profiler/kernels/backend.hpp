// profiler/kernels/backend.hpp
//
// A device that runs kernels for real: the CPU (profiler/kernels/cpu) or a GPU (profiler/kernels/cuda).
// A backend prepares a kernel once (buffers filled with random values, library plans chosen) and then runs it
// as often as asked; the profiler times the runs, an executor strings them together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "profiler/kernels/kernel_case.hpp"

namespace orrery::profiler {

struct DeviceInfo {
    std::string backend;  ///< "cpu", "cuda"
    std::string name;     ///< "NVIDIA H100 80GB HBM3"
    std::string driver;   ///< driver and toolkit, or kernel and compiler
    double cache_bytes = 0;
    double memory_bytes = 0;
    double most_flops = 0;  ///< kernels beyond this or ...
    double most_bytes = 0;  ///< ... this footprint take too long to measure here; 0: no limit
    std::vector<Precision> precisions;
};

/// What the device does while it is measured, read only; absent where it cannot be read.
struct Conditions {
    std::optional<double> clock_mhz;
    std::optional<double> memory_clock_mhz;
    std::optional<double> temperature_c;
    std::optional<double> power_w;
};

/// A kernel ready to run. Owns its operands, or shares the backend's.
class PreparedKernel {
  public:
    PreparedKernel() = default;
    virtual ~PreparedKernel() = default;
    PreparedKernel(const PreparedKernel&) = delete;
    PreparedKernel& operator=(const PreparedKernel&) = delete;

    /// Issues it once on operand set `set` (0 up to sets() - 1). On a GPU it returns before the kernel ends;
    /// kernels of one backend run in order of issue.
    virtual void run(int set) = 0;
    [[nodiscard]] virtual int sets() const = 0;
    /// What executes it: "eigen", "cublas", "cudnn", "unfused cublas and softmax".
    [[nodiscard]] virtual std::string implementation() const = 0;
};

class Backend {
  public:
    Backend() = default;
    virtual ~Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    [[nodiscard]] virtual const DeviceInfo& info() const = 0;
    [[nodiscard]] virtual bool supports(const KernelCase& kernel_case) const = 0;

    /// Precondition: supports(kernel_case). Operand sets beyond one hold other values at other addresses, so
    /// that runs over them in turn do not find their operands in the cache. Throws ExperimentError when the
    /// device's memory does not hold them.
    virtual std::unique_ptr<PreparedKernel> prepare(const KernelCase& kernel_case, int sets) = 0;

    /// Seconds that `runs` runs take one after the other, from `first_set` on through the sets; measured on
    /// the device where it has a clock.
    virtual double time(PreparedKernel& kernel, int runs, int first_set) = 0;

    /// Waits for everything issued.
    virtual void synchronize() = 0;

    [[nodiscard]] virtual Conditions conditions() { return {}; }

    /// Names of the device kernels that one run launches, and the seconds that they alone take (without the
    /// gaps between them); empty where the device cannot tell.
    struct Activity {
        std::vector<std::string> kernels;
        double kernel_s = 0;
    };
    virtual Activity activity(PreparedKernel& /*kernel*/) { return {}; }

    /// Bytes that one program can really allocate; 0 where that is not to be found out.
    virtual double usable_memory() { return 0; }
};

/// The CPU, one thread, fp32.
std::unique_ptr<Backend> make_cpu_backend();

/// GPU number `device`. Throws MissingCapability where this build has no CUDA or this machine no such GPU.
std::unique_ptr<Backend> make_cuda_backend(int device);

/// Why make_cuda_backend would throw ("this build has no CUDA"), or nothing.
std::optional<std::string> cuda_unavailable();

}  // namespace orrery::profiler
