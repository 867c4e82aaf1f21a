// One thread of the CPU as a device.
#include <sys/utsname.h>
#include <unistd.h>

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <new>
#include <random>

#include "core/error.hpp"
#include "profiler/kernels/backend.hpp"
#include "profiler/kernels/cpu/plan.hpp"

namespace orrery::profiler {
namespace {

constexpr std::size_t kAlignment = 64;

struct AlignedDelete {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{kAlignment}); }
};
using Buffer = std::unique_ptr<std::byte[], AlignedDelete>;

/// A buffer of small random numbers (never zeros: they are not representative), or of bytes touched once.
Buffer filled(std::size_t bytes, bool random, std::uint32_t seed) {
    Buffer buffer(static_cast<std::byte*>(
        ::operator new[](std::max<std::size_t>(bytes, 1), std::align_val_t{kAlignment})));
    std::minstd_rand generator(seed + 1);
    if (random) {
        auto* values = reinterpret_cast<float*>(buffer.get());
        for (std::size_t i = 0; i < bytes / sizeof(float); ++i) {
            values[i] =
                static_cast<float>(generator()) / static_cast<float>(std::minstd_rand::max()) + 0.0625F;
        }
    } else {
        std::fill_n(buffer.get(), bytes, std::byte{1});
    }
    return buffer;
}

class CpuKernel final : public PreparedKernel {
  public:
    CpuKernel(cpu::Plan plan, int sets) : plan_(std::move(plan)) {
        for (int set = 0; set < sets; ++set) {
            std::vector<std::byte*> pointers;
            for (std::size_t i = 0; i < plan_.operand_bytes.size(); ++i) {
                const auto seed = static_cast<std::uint32_t>(set * 16 + static_cast<int>(i));
                buffers_.push_back(filled(plan_.operand_bytes[i], plan_.random[i], seed));
                pointers.push_back(buffers_.back().get());
            }
            operands_.push_back(std::move(pointers));
        }
    }

    void run(int set) override { plan_.run(operands_[static_cast<std::size_t>(set)]); }
    [[nodiscard]] int sets() const override { return static_cast<int>(operands_.size()); }
    [[nodiscard]] std::string implementation() const override { return "eigen, one thread"; }

  private:
    cpu::Plan plan_;
    std::vector<Buffer> buffers_;
    std::vector<std::vector<std::byte*>> operands_;
};

std::string first_value(const char* path, const std::string& key) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        const std::size_t colon = line.find(':');
        if (!line.starts_with(key) || colon == std::string::npos) continue;
        const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
        return begin == std::string::npos ? "" : line.substr(begin);
    }
    return "";
}

DeviceInfo describe_cpu() {
    DeviceInfo info;
    info.backend = "cpu";
    info.name = first_value("/proc/cpuinfo", "model name");
    if (info.name.empty()) info.name = "unknown CPU";
    utsname system{};
    if (uname(&system) == 0) info.driver = std::string(system.sysname) + " " + system.release;
    info.driver += ", Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
                   std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
    const long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    info.cache_bytes = cache > 0 ? static_cast<double>(cache) : 1 << 20;
    info.memory_bytes =
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    info.most_flops = 1e9;
    info.most_bytes = 128 << 20;
    info.precisions = {Precision::fp32};
    return info;
}

class CpuBackend final : public Backend {
  public:
    [[nodiscard]] const DeviceInfo& info() const override { return info_; }

    [[nodiscard]] bool supports(const KernelCase& kernel_case) const override {
        return cpu::plan_of(kernel_case).has_value();
    }

    std::unique_ptr<PreparedKernel> prepare(const KernelCase& kernel_case, int sets) override {
        std::optional<cpu::Plan> plan = cpu::plan_of(kernel_case);
        if (!plan) throw ExperimentError("the CPU does not execute " + describe(kernel_case));
        try {
            return std::make_unique<CpuKernel>(std::move(*plan), sets);
        } catch (const std::bad_alloc&) {
            throw ExperimentError("no memory for the operands of " + describe(kernel_case));
        }
    }

    double time(PreparedKernel& kernel, int runs, int first_set) override {
        const int sets = kernel.sets();
        const auto begin = std::chrono::steady_clock::now();
        for (int run = 0; run < runs; ++run) kernel.run((first_set + run) % sets);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

    void synchronize() override {}

    [[nodiscard]] Conditions conditions() override {
        Conditions conditions;
        const std::string clock = first_value("/proc/cpuinfo", "cpu MHz");
        char* end = nullptr;
        const double mhz = std::strtod(clock.c_str(), &end);
        if (end != clock.c_str()) conditions.clock_mhz = mhz;
        return conditions;
    }

  private:
    DeviceInfo info_ = describe_cpu();
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() {
    return std::make_unique<CpuBackend>();
}

}  // namespace orrery::profiler
