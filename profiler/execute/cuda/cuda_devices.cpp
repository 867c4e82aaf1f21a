// Ranks on GPUs: lanes are streams, marks are events. One rank a GPU, or all ranks on shares of one.
#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "profiler/execute/cuda/gpu_shares.hpp"
#include "profiler/execute/cuda/lane_kernels.hpp"
#include "profiler/execute/cuda/lane_works.hpp"
#include "profiler/execute/cuda/nccl_operations.hpp"
#include "profiler/execute/cuda/plugin.hpp"
#include "profiler/kernels/cuda/plugin.hpp"

namespace orrery::profiler::cuda {
namespace {

using Clock = std::chrono::steady_clock;

/// Hardware queues of a GPU: more lanes than these share some, and wait for each other without need (CUDA's
/// CUDA_DEVICE_MAX_CONNECTIONS, at most 32; the executor sets it before CUDA starts).
constexpr std::size_t kMostQueues = 32;
constexpr int kAlignments = 20;  ///< readings of both clocks, of which the closest counts

/// Makes a GPU current for the calling thread, and the one before again.
class OnDevice {
  public:
    explicit OnDevice(int device) {
        ORRERY_CUDA(cudaGetDevice(&before_));
        if (before_ != device) ORRERY_CUDA(cudaSetDevice(device));
    }
    ~OnDevice() { (void)cudaSetDevice(before_); }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

  private:
    int before_ = 0;
};

class GpuMemory final : public MemorySource {
  public:
    GpuMemory(int device, const bool& abandoned) : device_(device), abandoned_(abandoned) {}

    [[nodiscard]] std::size_t granularity() const override { return 512; }

    std::byte* allocate(std::size_t bytes) override {
        const OnDevice here(device_);
        void* data = nullptr;
        const cudaError_t status = cudaMalloc(&data, bytes);
        if (status == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            throw std::bad_alloc();
        }
        ORRERY_CUDA(status);
        ORRERY_CUDA(cudaMemset(data, 0x3c, bytes));  // fp32 0.0115, bf16 0.0115
        return static_cast<std::byte*>(data);
    }

    /// What a device may still be writing to stays.
    void release(std::byte* block, std::size_t /*bytes*/) noexcept override {
        if (!abandoned_) (void)cudaFree(block);
    }

  private:
    int device_;
    const bool& abandoned_;
};

/// A stream with what it runs.
struct GpuLane {
    int rank = 0;
    int device = 0;
    cudaStream_t stream = nullptr;
    std::unique_ptr<Context> context;  ///< of lanes with kernels or copies
    std::unique_ptr<LaneWorks> works;

    GpuLane() = default;
    ~GpuLane() {
        works.reset();
        context.reset();
        if (stream != nullptr) (void)cudaStreamDestroy(stream);
    }
    GpuLane(const GpuLane&) = delete;
    GpuLane& operator=(const GpuLane&) = delete;
};

/// An event, made where it is first recorded.
struct GpuMark {
    cudaEvent_t event = nullptr;
    int device = 0;
};

/// A GPU's clock: an event and when it was recorded, by the host's.
struct GpuClock {
    cudaStream_t stream = nullptr;
    cudaEvent_t zero = nullptr;
    double zero_s = 0;
};

class CudaDevices final : public Devices {
  public:
    explicit CudaDevices(int ranks) : ranks_(ranks) {
        ORRERY_CUDA(cudaGetDeviceCount(&gpus_));
        ORRERY_CUDA(cudaGetDeviceProperties(&properties_, 0));
        one_each_ = gpus_ >= ranks;
        if (!one_each_) shares_ = std::make_unique<GpuShares>(0, ranks);
        for (int rank = 0; rank < ranks; ++rank)
            memory_.push_back(std::make_unique<GpuMemory>(device_of(rank), abandoned_));
        clocks_.resize(one_each_ ? static_cast<std::size_t>(ranks) : 1);
        for (std::size_t device = 0; device < clocks_.size(); ++device) {
            ORRERY_CUDA(cudaSetDevice(static_cast<int>(device)));
            ORRERY_CUDA(cudaStreamCreateWithFlags(&clocks_[device].stream, cudaStreamNonBlocking));
            ORRERY_CUDA(cudaEventCreate(&clocks_[device].zero));
        }
    }

    ~CudaDevices() override {
        if (abandoned_) {  // a device may still use them
            for (auto& lane : lanes_) (void)lane.release();
            for (auto& [rank, arenas] : arenas_) (void)arenas.release();
            (void)shares_.release();
            return;
        }
        lanes_.clear();
        arenas_.clear();
        free_marks();
        for (const GpuClock& clock : clocks_) {
            (void)cudaEventDestroy(clock.zero);
            (void)cudaStreamDestroy(clock.stream);
        }
    }

    [[nodiscard]] std::string describe() override {
        std::string text = std::to_string(ranks_) + (ranks_ == 1 ? " rank on one " : " ranks on ");
        if (ranks_ > 1) text += one_each_ ? std::to_string(ranks_) + " GPUs, each " : "one ";
        text += properties_.name;
        if (shares_) {
            text += ", " + std::to_string(shares_->multiprocessors()) + " of its " +
                    std::to_string(properties_.multiProcessorCount) + " multiprocessors each";
            if (lanes_.size() > kMostQueues)
                text += "; " + std::to_string(lanes_.size()) + " streams on " + std::to_string(kMostQueues) +
                        " hardware queues";
        }
        int driver = 0;
        ORRERY_CUDA(cudaDriverGetVersion(&driver));
        return text + "; driver for CUDA " + std::to_string(driver / 1000) + "." +
               std::to_string(driver % 1000 / 10);
    }

    MemorySource& memory(sim::RankId rank) override { return *memory_[rank()]; }

    void use(const PlannedRun& run, const std::vector<LaneUse>& lanes, std::size_t marks) override {
        run_ = &run;
        lanes_.clear();
        arenas_.clear();
        free_marks();
        marks_.resize(marks);
        for (const LaneUse& use : lanes) make_lane(use);
        prepare_works(lanes);
        for (const auto& lane : lanes_) warm_up(*lane);
    }

    std::unique_ptr<Operations> own_operations() override {
        if (!one_each_ || ranks_ == 1) return nullptr;
        return make_nccl_operations({[this](sim::RankId rank) { return device_of(static_cast<int>(rank())); },
                                     [this](Lane lane) { return lanes_[lane]->stream; },
                                     [this](std::function<void()> abort) { abort_ = std::move(abort); }});
    }

    void enter(sim::RankId rank) override { ORRERY_CUDA(cudaSetDevice(device_of(static_cast<int>(rank())))); }

    void record(Lane lane, Mark mark) override {
        GpuMark& at = marks_[mark];
        const GpuLane& where = *lanes_[lane];
        if (at.event == nullptr) {
            const OnDevice here(where.device);
            ORRERY_CUDA(cudaEventCreate(&at.event));
            at.device = where.device;
        }
        ORRERY_CUDA(cudaEventRecord(at.event, where.stream));
    }

    void wait(Lane lane, Mark mark) override {
        ORRERY_CUDA(cudaStreamWaitEvent(lanes_[lane]->stream, marks_[mark].event, 0));
    }

    void launch(Lane lane, sim::WorkId work) override {
        GpuLane& where = *lanes_[lane];
        if (work == run_->pause) {
            ORRERY_CUDA(launch_pause(run_->costs[work()].duration_s, where.stream));
        } else {
            where.works->launch(work);
        }
    }

    void copy(Lane lane, std::byte* to, const std::byte* from, std::size_t bytes) override {
        ORRERY_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, lanes_[lane]->stream));
    }

    void add(Lane lane, std::byte* to, std::span<const std::byte* const> from, std::size_t count) override {
        const int share = shares_ ? shares_->multiprocessors() : 0;
        for (std::size_t begin = 0; begin < from.size(); begin += kMostSummands) {
            Summands some{};
            some.count = static_cast<int>(std::min<std::size_t>(kMostSummands, from.size() - begin));
            for (int k = 0; k < some.count; ++k)
                some.at[k] = reinterpret_cast<const float*>(from[begin + static_cast<std::size_t>(k)]);
            ORRERY_CUDA(launch_sum(some, reinterpret_cast<float*>(to), count, begin > 0, share,
                                   lanes_[lane]->stream));
        }
    }

    void begin() override {
        for (const auto& lane : lanes_) ORRERY_CUDA(cudaStreamSynchronize(lane->stream));
        begin_ = Clock::now();
        for (std::size_t device = 0; device < clocks_.size(); ++device) read_clock(static_cast<int>(device));
        const double so_far = now();
        begin_ = Clock::now();
        for (GpuClock& clock : clocks_) clock.zero_s -= so_far;
    }

    [[nodiscard]] double now() const override {
        return std::chrono::duration<double>(Clock::now() - begin_).count();
    }

    [[nodiscard]] bool reached(Mark mark) override {
        const cudaError_t status = cudaEventQuery(marks_[mark].event);
        if (status == cudaErrorNotReady) {
            (void)cudaGetLastError();  // the next launch of this thread is not blamed
            return false;
        }
        ORRERY_CUDA(status);
        return true;
    }

    [[nodiscard]] double time_of(Mark mark) override {
        const GpuMark& at = marks_[mark];
        const GpuClock& clock = clocks_[static_cast<std::size_t>(at.device)];
        float milliseconds = 0;
        ORRERY_CUDA(cudaEventElapsedTime(&milliseconds, clock.zero, at.event));
        return clock.zero_s + milliseconds * 1e-3;
    }

    void abandon() override {
        abandoned_ = true;
        if (abort_) abort_();
    }

  private:
    [[nodiscard]] int device_of(int rank) const { return one_each_ ? rank : 0; }

    void make_lane(const LaneUse& use) {
        auto lane = std::make_unique<GpuLane>();
        lane->rank = static_cast<int>(use.rank());
        lane->device = device_of(lane->rank);
        ORRERY_CUDA(cudaSetDevice(lane->device));
        if (shares_) {
            lane->stream = shares_->make_stream(lane->rank);
        } else {
            ORRERY_CUDA(cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking));
        }
        if (!use.works.empty())
            lane->context = std::make_unique<Context>(lane->device, lane->stream,
                                                      shares_ ? shares_->multiprocessors() : 0);
        lanes_.push_back(std::move(lane));
    }

    void prepare_works(const std::vector<LaneUse>& uses) {
        const std::size_t apart = 2 * static_cast<std::size_t>(std::max(properties_.l2CacheSize, 1 << 20));
        std::map<int, ArenaNeeds> needs;
        std::vector<std::vector<sim::WorkId>> works;
        for (std::size_t i = 0; i < uses.size(); ++i) {
            std::vector<sim::WorkId>& mine = works.emplace_back(uses[i].works);
            mine.erase(std::remove(mine.begin(), mine.end(), run_->pause), mine.end());
            if (lanes_[i]->context == nullptr) continue;
            ORRERY_CUDA(cudaSetDevice(lanes_[i]->device));
            const ArenaNeeds own = needs_of(run_->program, mine, *lanes_[i]->context, apart);
            ArenaNeeds& most = needs[lanes_[i]->rank];
            most = {std::max(most.numbers, own.numbers), std::max(most.written, own.written)};
        }
        for (std::size_t i = 0; i < uses.size(); ++i) {
            GpuLane& lane = *lanes_[i];
            if (lane.context == nullptr) continue;
            ORRERY_CUDA(cudaSetDevice(lane.device));
            std::unique_ptr<RankArenas>& arenas = arenas_[lane.rank];
            if (!arenas) arenas = std::make_unique<RankArenas>(needs[lane.rank], apart);
            lane.works = std::make_unique<LaneWorks>(run_->program, works[i], *lane.context, *arenas);
        }
    }

    /// Everything that a lane may launch has been loaded before a run: CUDA loads kernels when they are first
    /// launched, and may wait for the device then.
    void warm_up(const GpuLane& lane) {
        ORRERY_CUDA(cudaSetDevice(lane.device));
        DeviceBuffer some(3 * kWarmUp * sizeof(float));
        auto* const at = static_cast<float*>(some.data());
        ORRERY_CUDA(launch_pause(1e-6, lane.stream));
        Summands two{};
        two.count = 2;
        two.at[0] = at;
        two.at[1] = at + kWarmUp;
        ORRERY_CUDA(launch_sum(two, at + 2 * kWarmUp, kWarmUp - 1, false, 0, lane.stream));
        ORRERY_CUDA(cudaMemcpyAsync(at, at + kWarmUp, kWarmUp, cudaMemcpyDeviceToDevice, lane.stream));
        ORRERY_CUDA(cudaStreamSynchronize(lane.stream));
    }

    void read_clock(int device) {
        GpuClock& clock = clocks_[static_cast<std::size_t>(device)];
        ORRERY_CUDA(cudaSetDevice(device));
        double closest = std::numeric_limits<double>::infinity();
        cudaEvent_t best = nullptr;
        for (int i = 0; i < kAlignments; ++i) {
            cudaEvent_t event = nullptr;
            ORRERY_CUDA(cudaEventCreate(&event));
            const double before = now();
            ORRERY_CUDA(cudaEventRecord(event, clock.stream));
            ORRERY_CUDA(cudaEventSynchronize(event));
            const double after = now();
            if (after - before < closest) {
                closest = after - before;
                clock.zero_s = (before + after) / 2;
                std::swap(best, event);
            }
            if (event != nullptr) ORRERY_CUDA(cudaEventDestroy(event));
        }
        ORRERY_CUDA(cudaEventDestroy(clock.zero));
        clock.zero = best;
    }

    void free_marks() {
        for (const GpuMark& mark : marks_)
            if (mark.event != nullptr) (void)cudaEventDestroy(mark.event);
        marks_.clear();
    }

    static constexpr std::size_t kWarmUp = 1024;

    int ranks_;
    int gpus_ = 0;
    bool one_each_ = false;
    bool abandoned_ = false;
    cudaDeviceProp properties_{};
    std::unique_ptr<GpuShares> shares_;
    std::vector<std::unique_ptr<GpuMemory>> memory_;
    const PlannedRun* run_ = nullptr;
    std::map<int, std::unique_ptr<RankArenas>> arenas_;  ///< by rank
    std::vector<std::unique_ptr<GpuLane>> lanes_;
    std::vector<GpuMark> marks_;
    std::vector<GpuClock> clocks_;  ///< by device
    std::function<void()> abort_;
    Clock::time_point begin_ = Clock::now();
};

}  // namespace
}  // namespace orrery::profiler::cuda

orrery::profiler::Devices* orrery_cuda_devices(int ranks) {
    if (const char* why = orrery_cuda_unavailable()) throw orrery::MissingCapability(why);
    return new orrery::profiler::cuda::CudaDevices(ranks);
}
