// profiler/execute/device_program.hpp
//
// A program laid out on the devices of one process: a lane for each stream that has something to run, marks
// at the begin and end of every task, buffers for the operations of each stream, and each rank's memory. Made
// once and run as often as asked (device_run.hpp).
#pragma once

#include <memory>
#include <vector>

#include "profiler/execute/devices.hpp"
#include "profiler/execute/rank_tasks.hpp"

namespace orrery::profiler {

/// Memory that goes back to where it came from.
class DeviceBlock {
  public:
    DeviceBlock() = default;
    DeviceBlock(MemorySource& source, std::size_t bytes);  ///< throws std::bad_alloc; nothing of 0 bytes
    ~DeviceBlock();
    DeviceBlock(DeviceBlock&& other) noexcept;
    DeviceBlock& operator=(DeviceBlock&& other) noexcept;
    DeviceBlock(const DeviceBlock&) = delete;
    DeviceBlock& operator=(const DeviceBlock&) = delete;

    [[nodiscard]] std::byte* data() const { return data_; }

  private:
    MemorySource* source_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

class DeviceProgram {
  public:
    /// Takes the static bytes, and all that the ranks' memory events take, once beforehand: the blocks are
    /// there when the program runs. Throws ExperimentError where memory does not suffice (task and rank
    /// named) or a kernel cannot run. The devices stay alive.
    DeviceProgram(PlannedRun run, Devices& devices);
    DeviceProgram(const DeviceProgram&) = delete;
    DeviceProgram& operator=(const DeviceProgram&) = delete;

    struct Stream {
        Lane lane = kNoLane;  ///< none: all its tasks are sends, and senders need no lane
        DeviceBlock send;
        DeviceBlock receive;
    };

    [[nodiscard]] const PlannedRun& run() const { return run_; }
    [[nodiscard]] const sim::Program& program() const { return run_.program; }
    [[nodiscard]] Devices& devices() const { return devices_; }
    [[nodiscard]] Operations& operations() const { return *operations_; }
    [[nodiscard]] const std::vector<RankTasks>& ranks() const { return ranks_; }
    [[nodiscard]] const Stream& stream(std::size_t rank, std::size_t stream) const {
        return streams_[rank][stream];
    }
    [[nodiscard]] RankMemory& memory(std::size_t rank) { return *memory_[rank]; }

    [[nodiscard]] static Mark start_mark(std::uint64_t task) { return static_cast<Mark>(2 * task); }
    [[nodiscard]] static Mark end_mark(std::uint64_t task) { return static_cast<Mark>(2 * task + 1); }

  private:
    void lay_out();
    [[nodiscard]] bool only_sends(const RankTasks& tasks, std::size_t stream) const;
    void take_memory();
    void make_buffers();

    const PlannedRun run_;
    Devices& devices_;
    std::unique_ptr<Operations> operations_;
    std::vector<RankTasks> ranks_;
    std::vector<std::vector<Stream>> streams_;         ///< [rank][stream]
    std::vector<std::unique_ptr<RankMemory>> memory_;  ///< [rank]
};

}  // namespace orrery::profiler
