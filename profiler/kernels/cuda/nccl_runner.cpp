// Collectives between GPUs through NCCL: all GPUs of this process, or one of each process of a job.
#include <memory>

#include "core/error.hpp"
#include "profiler/kernels/cuda/plugin.hpp"

#ifdef ORRERY_HAVE_NCCL
#include <algorithm>
#include <string>

#include "profiler/kernels/cuda/check_nccl.hpp"
#include "profiler/kernels/cuda/device_memory.hpp"
#include "profiler/kernels/cuda/nccl_collective.hpp"
#include "profiler/kernels/cuda/passes.hpp"
#endif

namespace orrery::profiler::cuda {

#ifdef ORRERY_HAVE_NCCL
namespace {

using sim::CollectiveKind;

/// One GPU that this process drives.
struct Gpu {
    int device = 0;
    int rank = 0;  ///< in the job
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    ncclComm_t communicator = nullptr;  ///< of the current group, or null
    DeviceBuffer send;
    DeviceBuffer receive;
};

class NcclRunner final : public CollectiveRunner {
  public:
    explicit NcclRunner(std::unique_ptr<Processes> processes) : processes_(std::move(processes)) {
        int count = 0;
        ORRERY_CUDA(cudaGetDeviceCount(&count));
        if (processes_->size() > 1) {
            add_gpu(processes_->rank() % count,
                    processes_->rank());  // one GPU each; ranks of a node are neighbours
            ranks_ = processes_->size();
        } else {
            for (int device = 0; device < count; ++device) add_gpu(device, device);
            ranks_ = count;
        }
        if (ranks_ < 2) throw ExperimentError("NCCL needs two GPUs: this job has one");
        name_ranks();
    }

    ~NcclRunner() override {
        for (Gpu& gpu : gpus_) {
            (void)cudaSetDevice(gpu.device);
            if (gpu.communicator != nullptr) (void)ncclCommDestroy(gpu.communicator);
            (void)cudaEventDestroy(gpu.begin);
            (void)cudaEventDestroy(gpu.end);
            (void)cudaStreamDestroy(gpu.stream);
        }
    }

    [[nodiscard]] bool first() const override { return processes_->rank() == 0; }
    [[nodiscard]] int ranks() const override { return ranks_; }
    [[nodiscard]] std::vector<std::string> describe_ranks() const override { return names_; }
    [[nodiscard]] std::string library() const override {
        int version = 0;
        ORRERY_NCCL(ncclGetVersion(&version));
        return "NCCL " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
               std::to_string(version % 100);
    }

    void use_group(const GroupShape& shape) override {
        for (Gpu& gpu : gpus_) {
            if (gpu.communicator != nullptr) ORRERY_NCCL(ncclCommDestroy(gpu.communicator));
            gpu.communicator = nullptr;
        }
        size_ = shape.size;
        ncclUniqueId id{};
        if (first()) ORRERY_NCCL(ncclGetUniqueId(&id));
        processes_->broadcast(&id, sizeof id);
        ORRERY_NCCL(ncclGroupStart());
        for (Gpu& gpu : gpus_) {
            if (gpu.rank % shape.stride != 0 || gpu.rank / shape.stride >= shape.size) continue;
            ORRERY_CUDA(cudaSetDevice(gpu.device));
            ORRERY_NCCL(ncclCommInitRank(&gpu.communicator, shape.size, id, gpu.rank / shape.stride));
        }
        ORRERY_NCCL(ncclGroupEnd());
    }

    double time(CollectiveKind kind, std::size_t bytes, int warm_up, int iterations) override {
        for (Gpu& gpu : gpus_) provide(gpu, bytes);
        for (int i = 0; i < warm_up; ++i) run(kind, bytes);
        wait();
        mark(&Gpu::begin);
        for (int i = 0; i < iterations; ++i) run(kind, bytes);
        mark(&Gpu::end);
        wait();
        double slowest = 0;
        for (const Gpu& gpu : gpus_) {
            if (gpu.communicator == nullptr) continue;
            float milliseconds = 0;
            ORRERY_CUDA(cudaEventElapsedTime(&milliseconds, gpu.begin, gpu.end));
            slowest = std::max(slowest, milliseconds * 1e-3 / iterations);
        }
        return processes_->maximum(slowest);
    }

  private:
    void add_gpu(int device, int rank) {
        ORRERY_CUDA(cudaSetDevice(device));
        Gpu& gpu = gpus_.emplace_back();
        gpu.device = device;
        gpu.rank = rank;
        ORRERY_CUDA(cudaStreamCreateWithFlags(&gpu.stream, cudaStreamNonBlocking));
        ORRERY_CUDA(cudaEventCreate(&gpu.begin));
        ORRERY_CUDA(cudaEventCreate(&gpu.end));
    }

    void name_ranks() {
        std::string mine;
        for (const Gpu& gpu : gpus_) {
            cudaDeviceProp properties{};
            ORRERY_CUDA(cudaGetDeviceProperties(&properties, gpu.device));
            mine = "Rank " + std::to_string(gpu.rank) + " device " + std::to_string(gpu.device) + " " +
                   properties.name;
            if (processes_->size() == 1) names_.push_back(mine);
        }
        if (processes_->size() > 1) names_ = processes_->gather(mine);
    }

    void provide(Gpu& gpu, std::size_t bytes) {
        if (gpu.communicator == nullptr || gpu.send.bytes() >= bytes) return;
        ORRERY_CUDA(cudaSetDevice(gpu.device));
        gpu.send = DeviceBuffer();
        gpu.receive = DeviceBuffer();
        gpu.send = DeviceBuffer(bytes);
        gpu.receive = DeviceBuffer(bytes);
        const Operand operand{bytes / 4, 4, Contents::random_fp32};
        for (void* data : {gpu.send.data(), gpu.receive.data()}) {
            ORRERY_CUDA(fill_operand(operand, Precision::fp32, 1, 1, data, gpu.stream));
        }
        ORRERY_CUDA(cudaStreamSynchronize(gpu.stream));
    }

    void mark(cudaEvent_t Gpu::*event) {
        for (Gpu& gpu : gpus_) {
            ORRERY_CUDA(cudaSetDevice(gpu.device));
            ORRERY_CUDA(cudaEventRecord(gpu.*event, gpu.stream));
        }
    }

    void wait() {
        for (Gpu& gpu : gpus_) {
            ORRERY_CUDA(cudaSetDevice(gpu.device));
            ORRERY_CUDA(cudaStreamSynchronize(gpu.stream));
        }
    }

    void run(CollectiveKind kind, std::size_t bytes) {
        ORRERY_NCCL(ncclGroupStart());
        for (Gpu& gpu : gpus_) {
            if (gpu.communicator != nullptr) issue(gpu, kind, bytes / 4);
        }
        ORRERY_NCCL(ncclGroupEnd());
    }

    void issue(Gpu& gpu, CollectiveKind kind, std::size_t all) {
        const auto size = static_cast<std::size_t>(size_);
        const std::size_t share = all / size;
        auto* send = static_cast<float*>(gpu.send.data());
        auto* receive = static_cast<float*>(gpu.receive.data());
        int rank = 0;
        ORRERY_NCCL(ncclCommUserRank(gpu.communicator, &rank));
        if (issue_nccl_collective(kind, {gpu.communicator, gpu.stream, send, receive}, all, share)) return;
        switch (kind) {
            case CollectiveKind::all_to_all:
                for (std::size_t peer = 0; peer < size; ++peer) {
                    const int other = static_cast<int>(peer);
                    ORRERY_NCCL(
                        ncclSend(send + peer * share, share, ncclFloat, other, gpu.communicator, gpu.stream));
                    ORRERY_NCCL(ncclRecv(receive + peer * share, share, ncclFloat, other, gpu.communicator,
                                         gpu.stream));
                }
                return;
            case CollectiveKind::send_recv:  // as nccl-tests: every rank to the next, at once
                ORRERY_NCCL(ncclSend(send, all, ncclFloat, (rank + 1) % size_, gpu.communicator, gpu.stream));
                ORRERY_NCCL(ncclRecv(receive, all, ncclFloat, (rank + size_ - 1) % size_, gpu.communicator,
                                     gpu.stream));
                return;
            default:
                throw ExperimentError("NCCL does not run this collective");
        }
    }

    std::unique_ptr<Processes> processes_;
    std::vector<Gpu> gpus_;
    std::vector<std::string> names_;
    int ranks_ = 0;
    int size_ = 1;
};

}  // namespace
#endif

}  // namespace orrery::profiler::cuda

orrery::profiler::CollectiveRunner* orrery_nccl_runner(orrery::profiler::Processes* processes) {
    std::unique_ptr<orrery::profiler::Processes> owned(processes);
#ifdef ORRERY_HAVE_NCCL
    return new orrery::profiler::cuda::NcclRunner(std::move(owned));
#else
    throw orrery::MissingCapability(
        "this build of Orrery has no NCCL (none was found when it was configured)");
#endif
}
