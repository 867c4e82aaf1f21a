// tests/profiler/host_devices.hpp
//
// Devices without a GPU: a thread a lane runs what it is given in order. What a device promises
// (profiler/execute/devices.hpp) holds; kernels wait their cost, copies and sums are real and counted. Waits
// for marks that were never recorded, works of another lane and calls after abandon() are found.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "profiler/execute/devices.hpp"

namespace orrery::profiler::testing {

/// Blocks of the heap, so many bytes at most.
class LimitedMemory final : public MemorySource {
  public:
    [[nodiscard]] std::size_t granularity() const override { return 256; }
    std::byte* allocate(std::size_t bytes) override {
        if (held + bytes > limit) throw std::bad_alloc();
        auto* block = new std::byte[bytes];
        std::memset(block, 0, bytes);
        held += bytes;
        most = std::max(most, held);
        ++allocations;
        return block;
    }
    void release(std::byte* block, std::size_t bytes) noexcept override {
        held -= bytes;
        delete[] block;
    }

    std::size_t limit = std::size_t{4} << 30U;
    std::size_t held = 0;
    std::size_t most = 0;
    int allocations = 0;
};

class HostDevices final : public Devices {
  public:
    explicit HostDevices(std::size_t ranks) : memory_(ranks), entered_(ranks) {}
    ~HostDevices() override { end_lanes(); }

    [[nodiscard]] std::string describe() override { return std::to_string(memory_.size()) + " threads"; }
    LimitedMemory& memory(sim::RankId rank) override { return memory_[rank()]; }

    void use(const PlannedRun& run, const std::vector<LaneUse>& lanes, std::size_t marks) override {
        end_lanes();
        run_ = &run;
        stopping_ = false;
        marks_.assign(marks, {});
        uses_ = lanes;
        lanes_.clear();
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            lanes_.push_back(std::make_unique<Queue>());
            lanes_.back()->thread = std::thread([queue = lanes_.back().get()] { work(*queue); });
        }
    }

    void enter(sim::RankId rank) override { entered_.at(rank()) = true; }

    void record(Lane lane, Mark mark) override {
        const std::uint64_t generation = ++marks_.at(mark).recorded;
        give(lane, [this, mark, generation] {
            const std::scoped_lock lock(mutex_);
            marks_[mark].time_s = now();
            marks_[mark].reached = generation;
            changed_.notify_all();
        });
    }

    void wait(Lane lane, Mark mark) override {
        const std::uint64_t generation = marks_.at(mark).recorded;
        if (generation == 0) throw std::logic_error("waits for a mark that was never recorded");
        give(lane, [this, mark, generation] {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return stopping_ || marks_[mark].reached >= generation; });
        });
    }

    void launch(Lane lane, sim::WorkId work) override {
        if (work == blocks_at) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return unblocked_; });
        }
        if (work == fails_at) throw ExperimentError("the device refuses it");
        const std::vector<sim::WorkId>& works = uses_.at(lane).works;
        if (std::find(works.begin(), works.end(), work) == works.end())
            throw std::logic_error("a work that the lane was not prepared for");
        ++launched;
        give(lane, [this, work] {
            std::unique_lock lock(mutex_);
            if (work == hangs_at) {
                changed_.wait(lock, [this] { return stopping_; });
                return;
            }
            changed_.wait_for(lock, std::chrono::duration<double>(run_->costs[work()].duration_s),
                              [this] { return stopping_; });
        });
    }

    void copy(Lane lane, std::byte* to, const std::byte* from, std::size_t bytes) override {
        if (to == nullptr || from == nullptr) throw std::logic_error("copies from or to nowhere");
        give(lane, [this, to, from, bytes] {
            std::memcpy(to, from, bytes);
            copied_bytes += bytes;
        });
    }

    void add(Lane lane, std::byte* to, std::span<const std::byte* const> from, std::size_t count) override {
        give(lane, [this, to, summands = std::vector(from.begin(), from.end()), count] {
            auto* sum = reinterpret_cast<float*>(to);
            for (std::size_t i = 0; i < count; ++i) {
                float total = 0;
                for (const std::byte* each : summands) total += reinterpret_cast<const float*>(each)[i];
                sum[i] = total;
            }
            added_bytes += summands.size() * count * sizeof(float);
        });
    }

    void begin() override { begin_ = std::chrono::steady_clock::now(); }
    [[nodiscard]] double now() const override {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }
    [[nodiscard]] bool reached(Mark mark) override {
        const std::scoped_lock lock(mutex_);
        return marks_.at(mark).reached == marks_[mark].recorded;
    }
    [[nodiscard]] double time_of(Mark mark) override {
        const std::scoped_lock lock(mutex_);
        return marks_.at(mark).time_s;
    }
    /// What lanes were given and have not begun is dropped; hosts may still give more.
    void abandon() override {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
            changed_.notify_all();
        }
        for (const auto& queue : lanes_) {
            {
                const std::scoped_lock lock(queue->mutex);
                queue->ends = true;
                queue->filled.notify_one();
            }
            if (queue->thread.joinable()) queue->thread.join();
        }
    }

    [[nodiscard]] std::size_t lanes() const { return lanes_.size(); }
    [[nodiscard]] bool every_rank_entered() const { return entered_.size() == memory_.size(); }

    std::atomic<std::uint64_t> copied_bytes = 0;
    std::atomic<std::uint64_t> added_bytes = 0;
    std::atomic<std::uint64_t> launched = 0;
    sim::WorkId hangs_at;
    sim::WorkId fails_at;
    sim::WorkId blocks_at;  ///< the host, in the call
    void unblock() {
        const std::scoped_lock lock(mutex_);
        unblocked_ = true;
        changed_.notify_all();
    }

  private:
    struct MarkState {
        std::atomic<std::uint64_t> recorded = 0;
        std::uint64_t reached = 0;
        double time_s = 0;
        MarkState() = default;
        MarkState(const MarkState& other) : recorded(other.recorded.load()) {}
        MarkState& operator=(const MarkState& other) {
            recorded = other.recorded.load();
            reached = other.reached;
            time_s = other.time_s;
            return *this;
        }
    };
    struct Queue {
        std::mutex mutex;
        std::condition_variable filled;
        std::deque<std::function<void()>> work;
        bool ends = false;
        std::thread thread;
    };

    void give(Lane lane, std::function<void()> work) {
        Queue& queue = *lanes_.at(lane);
        const std::scoped_lock lock(queue.mutex);
        queue.work.push_back(std::move(work));
        queue.filled.notify_one();
    }

    static void work(Queue& queue) {
        while (true) {
            std::unique_lock lock(queue.mutex);
            queue.filled.wait(lock, [&] { return queue.ends || !queue.work.empty(); });
            if (queue.ends) return;
            const std::function<void()> next = std::move(queue.work.front());
            queue.work.pop_front();
            lock.unlock();
            next();
        }
    }

    void end_lanes() {
        abandon();
        lanes_.clear();
    }

    /// One flag a rank, written by its own thread.
    struct Entered {
        explicit Entered(std::size_t n) : flags(n) {}
        std::atomic<bool>& at(std::size_t i) { return flags.at(i); }
        [[nodiscard]] std::size_t size() const {
            return static_cast<std::size_t>(
                std::count_if(flags.begin(), flags.end(), [](const auto& flag) { return flag.load(); }));
        }
        std::vector<std::atomic<bool>> flags;
    };

    std::vector<LimitedMemory> memory_;
    Entered entered_;
    const PlannedRun* run_ = nullptr;
    std::vector<LaneUse> uses_;
    std::vector<std::unique_ptr<Queue>> lanes_;
    std::vector<MarkState> marks_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    bool unblocked_ = false;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace orrery::profiler::testing
