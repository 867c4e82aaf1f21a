// A GPU as a device: operands, timing, what surrounds kernels.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "profiler/kernels/cuda/launchable.hpp"
#include "profiler/kernels/cuda/observe.hpp"
#include "profiler/kernels/cuda/plugin.hpp"

namespace orrery::profiler::cuda {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Events {
  public:
    Events() {
        ORRERY_CUDA(cudaEventCreate(&begin_));
        ORRERY_CUDA(cudaEventCreate(&end_));
    }
    ~Events() {
        (void)cudaEventDestroy(begin_);
        (void)cudaEventDestroy(end_);
    }
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    template <class Work>
    double around(cudaStream_t stream, const Work& work) {
        ORRERY_CUDA(cudaEventRecord(begin_, stream));
        work();
        ORRERY_CUDA(cudaEventRecord(end_, stream));
        ORRERY_CUDA(cudaEventSynchronize(end_));
        float milliseconds = 0;
        ORRERY_CUDA(cudaEventElapsedTime(&milliseconds, begin_, end_));
        return milliseconds * 1e-3;
    }

  private:
    cudaEvent_t begin_ = nullptr;
    cudaEvent_t end_ = nullptr;
};

/// Work captured once and launched as one graph.
class Graph {
  public:
    template <class Work>
    Graph(cudaStream_t stream, const Work& work) {
        ORRERY_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
        try {
            work();
        } catch (...) {
            cudaGraph_t broken = nullptr;
            (void)cudaStreamEndCapture(stream, &broken);
            if (broken != nullptr) (void)cudaGraphDestroy(broken);
            (void)cudaGetLastError();
            throw;
        }
        cudaGraph_t graph = nullptr;
        ORRERY_CUDA(cudaStreamEndCapture(stream, &graph));
        const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
        (void)cudaGraphDestroy(graph);
        ORRERY_CUDA(status);
        ORRERY_CUDA(cudaGraphUpload(executable_, stream));
    }
    ~Graph() {
        if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
    }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;
    void launch(cudaStream_t stream) const { ORRERY_CUDA(cudaGraphLaunch(executable_, stream)); }

  private:
    cudaGraphExec_t executable_ = nullptr;
};

/// A prepared kernel that knows how its runs are timed.
class TimedKernel : public PreparedKernel {
  public:
    virtual double time(int runs, int first_set) = 0;
};

/// Kernels of a family. Short ones are captured into a graph, so that the host's launches do not show.
class DeviceKernel final : public TimedKernel {
  public:
    DeviceKernel(std::unique_ptr<Launchable> launchable, const KernelCase& kernel_case, int sets,
                 Context& context)
        : launchable_(std::move(launchable)), context_(context) {
        const std::vector<Operand> operands = launchable_->operands();
        for (int set = 0; set < sets; ++set) {
            std::vector<void*> pointers;
            for (const Operand& operand : operands) {
                buffers_.emplace_back(std::max<std::size_t>(operand.bytes(), 16));
                pointers.push_back(buffers_.back().data());
                const auto seed = static_cast<unsigned long long>(buffers_.size()) << 40U;
                ORRERY_CUDA(fill_operand(operand, kernel_case.kernel.precision,
                                         std::max<std::int64_t>(kernel_case.width, 1), seed, pointers.back(),
                                         context.stream));
            }
            sets_.push_back(std::move(pointers));
        }
        ORRERY_CUDA(cudaStreamSynchronize(context.stream));
    }

    void run(int set) override { launchable_->launch(sets_[static_cast<std::size_t>(set)].data()); }
    [[nodiscard]] int sets() const override { return static_cast<int>(sets_.size()); }
    [[nodiscard]] std::string implementation() const override { return launchable_->implementation(); }

    double time(int runs, int first_set) override {
        const auto issue = [this, runs, first_set] {
            for (int i = 0; i < runs; ++i) run((first_set + i) % sets());
        };
        if (runs < kGraphFrom) return events_.around(context_.stream, issue);
        auto found = graphs_.find({runs, first_set});
        if (found == graphs_.end()) {
            if (graphs_.size() >= kMostGraphs) graphs_.clear();
            found =
                graphs_.emplace(std::pair{runs, first_set}, std::make_unique<Graph>(context_.stream, issue))
                    .first;
            found->second->launch(context_.stream);
        }
        return events_.around(context_.stream, [&] { found->second->launch(context_.stream); });
    }

  private:
    static constexpr int kGraphFrom = 4;
    static constexpr std::size_t kMostGraphs = 8;

    std::unique_ptr<Launchable> launchable_;
    Context& context_;
    std::vector<DeviceBuffer> buffers_;
    std::vector<std::vector<void*>> sets_;
    std::map<std::pair<int, int>, std::unique_ptr<Graph>> graphs_;
    Events events_;
};

class CopyKernel final : public TimedKernel {
  public:
    CopyKernel(const KernelCase& kernel_case, Context& context)
        : bytes_(static_cast<std::size_t>(kernel_case.rows)), context_(context), device_(bytes_) {
        const Operand operand{bytes_ / 4, 4, Contents::random_fp32};
        ORRERY_CUDA(fill_operand(operand, Precision::fp32, 1, 1, device_.data(), context.stream));
        if (kernel_case.operation == Operation::device_copy) {
            other_ = DeviceBuffer(bytes_);
            from_ = device_.data();
            to_ = other_.data();
        } else {
            host_ = std::make_unique<PinnedBuffer>(bytes_);
            const bool to_host = kernel_case.operation == Operation::copy_to_host;
            from_ = to_host ? device_.data() : host_->data();
            to_ = to_host ? host_->data() : device_.data();
            ORRERY_CUDA(
                cudaMemcpyAsync(host_->data(), device_.data(), bytes_, cudaMemcpyDefault, context.stream));
        }
        ORRERY_CUDA(cudaStreamSynchronize(context.stream));
    }

    void run(int /*set*/) override {
        ORRERY_CUDA(cudaMemcpyAsync(to_, from_, bytes_, cudaMemcpyDefault, context_.stream));
    }
    [[nodiscard]] int sets() const override { return 1; }
    [[nodiscard]] std::string implementation() const override {
        return host_ ? "cudaMemcpyAsync, pinned" : "cudaMemcpyAsync";
    }
    double time(int runs, int first_set) override {
        return events_.around(context_.stream, [&] {
            for (int i = 0; i < runs; ++i) run(first_set);
        });
    }

  private:
    std::size_t bytes_;
    Context& context_;
    DeviceBuffer device_;
    DeviceBuffer other_;
    std::unique_ptr<PinnedBuffer> host_;
    const void* from_ = nullptr;
    void* to_ = nullptr;
    Events events_;
};

/// What the host pays: timed by its own clock, the device kept ahead of.
class LaunchKernel final : public TimedKernel {
  public:
    LaunchKernel(const KernelCase& kernel_case, Context& context) : context_(context) {
        if (kernel_case.operation != Operation::graph_launch) return;
        graph_ = std::make_unique<Graph>(context.stream, [&] {
            for (std::int64_t i = 0; i < kernel_case.rows; ++i) ORRERY_CUDA(launch_empty(context.stream));
        });
    }

    void run(int /*set*/) override {
        if (graph_) {
            graph_->launch(context_.stream);
        } else {
            ORRERY_CUDA(launch_empty(context_.stream));
        }
    }
    [[nodiscard]] int sets() const override { return 1; }
    [[nodiscard]] std::string implementation() const override {
        return graph_ ? "cudaGraphLaunch" : "kernel launch";
    }

    double time(int runs, int first_set) override {
        double total = 0;
        for (int done = 0; done < runs;) {
            const int some = std::min(runs - done, graph_ ? 1 : kQueue);
            ORRERY_CUDA(cudaStreamSynchronize(context_.stream));
            const auto begin = Clock::now();
            for (int i = 0; i < some; ++i) run(first_set);
            total += seconds_since(begin);
            done += some;
        }
        ORRERY_CUDA(cudaStreamSynchronize(context_.stream));
        return total;
    }

  private:
    static constexpr int kQueue = 256;  // launches that surely fit the driver's queue
    Context& context_;
    std::unique_ptr<Graph> graph_;
};

std::string version_words(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

DeviceInfo describe_gpu(const Context& context) {
    DeviceInfo info;
    info.backend = "cuda";
    info.name = context.properties.name;
    int driver = 0;
    int runtime = 0;
    ORRERY_CUDA(cudaDriverGetVersion(&driver));
    ORRERY_CUDA(cudaRuntimeGetVersion(&runtime));
    const std::size_t blas = cublasLtGetVersion();
    info.driver = "driver for CUDA " + version_words(driver) + ", runtime " + version_words(runtime) +
                  ", cublasLt " + std::to_string(blas / 10000) + "." + std::to_string(blas / 100 % 100) +
                  "." + std::to_string(blas % 100) + ", " + cudnn_version();
    info.cache_bytes = context.properties.l2CacheSize;
    info.memory_bytes = static_cast<double>(context.properties.totalGlobalMem);
    const int capability = context.properties.major * 10 + context.properties.minor;
    info.precisions = {Precision::bf16};
    if (capability >= 89) info.precisions.push_back(Precision::fp8);
    info.precisions.insert(info.precisions.end(), {Precision::fp16, Precision::tf32, Precision::fp32});
    return info;
}

bool system_operation(Operation operation) {
    return operation >= Operation::device_copy;
}

class CudaBackend final : public Backend {
  public:
    explicit CudaBackend(int device)
        : context_(device), info_(describe_gpu(context_)), sensors_(bus_id(device)) {}

    [[nodiscard]] const DeviceInfo& info() const override { return info_; }

    [[nodiscard]] bool supports(const KernelCase& c) const override {
        const bool known = std::find(info_.precisions.begin(), info_.precisions.end(), c.kernel.precision) !=
                           info_.precisions.end();
        if (system_operation(c.operation)) return true;
        if (!known) return false;
        const bool fp8 = c.kernel.precision == Precision::fp8;
        switch (c.operation) {
            case Operation::gemm:  // fp8: all leading dimensions in 16 bytes
                return !fp8 || (c.kernel.m % 16 == 0 && c.kernel.n % 16 == 0 && c.kernel.k % 16 == 0);
            case Operation::rotary:
                return !fp8 && c.width % 128 == 0;
            default:
                return !fp8;
        }
    }

    std::unique_ptr<PreparedKernel> prepare(const KernelCase& c, int sets) override {
        if (c.operation == Operation::launch || c.operation == Operation::graph_launch) {
            return std::make_unique<LaunchKernel>(c, context_);
        }
        if (system_operation(c.operation)) return std::make_unique<CopyKernel>(c, context_);
        return std::make_unique<DeviceKernel>(make_launchable(c, context_), c, sets, context_);
    }

    double time(PreparedKernel& kernel, int runs, int first_set) override {
        return dynamic_cast<TimedKernel&>(kernel).time(runs, first_set);
    }

    void synchronize() override { ORRERY_CUDA(cudaStreamSynchronize(context_.stream)); }

    [[nodiscard]] Conditions conditions() override { return sensors_.read(); }

    Activity activity(PreparedKernel& kernel) override {
        synchronize();
        return record_activity([&] {
            kernel.run(0);
            synchronize();
        });
    }

    /// The largest single allocation, to 16 MiB.
    double usable_memory() override {
        constexpr std::size_t kStep = std::size_t{16} << 20;
        std::size_t free = 0;
        std::size_t total = 0;
        ORRERY_CUDA(cudaMemGetInfo(&free, &total));
        for (std::size_t bytes = free / kStep * kStep; bytes >= kStep; bytes -= kStep) {
            void* data = nullptr;
            if (cudaMalloc(&data, bytes) == cudaSuccess) {
                ORRERY_CUDA(cudaFree(data));
                return static_cast<double>(bytes);
            }
            (void)cudaGetLastError();
        }
        return 0;
    }

  private:
    static std::string bus_id(int device) {
        char text[32] = {};
        ORRERY_CUDA(cudaDeviceGetPCIBusId(text, sizeof text, device));
        return text;
    }

    Context context_;
    DeviceInfo info_;
    GpuSensors sensors_;
};

}  // namespace
}  // namespace orrery::profiler::cuda

const char* orrery_cuda_unavailable() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver || status == cudaErrorNoDevice ||
        (status == cudaSuccess && count == 0)) {
        (void)cudaGetLastError();
        return status == cudaErrorInsufficientDriver ? "no NVIDIA driver that is recent enough"
                                                     : "no NVIDIA GPU";
    }
    return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

orrery::profiler::Backend* orrery_cuda_backend(int device) {
    if (const char* why = orrery_cuda_unavailable()) throw orrery::MissingCapability(why);
    int count = 0;
    ORRERY_CUDA(cudaGetDeviceCount(&count));
    if (device >= count) {
        throw orrery::MissingCapability("no GPU " + std::to_string(device) + ": this machine has " +
                                        std::to_string(count));
    }
    return new orrery::profiler::cuda::CudaBackend(device);
}
