// profiler/execute/device_host.hpp
//
// The host of one rank: issues its tasks (device_run.hpp). One thread runs it; another may look at how far it
// is.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "profiler/execute/device_meetings.hpp"

namespace orrery::profiler {

class DeviceHost {
  public:
    DeviceHost(DeviceProgram& program, std::size_t rank, DeviceMeetings& meetings);

    /// Issues everything, or returns when `stop` is set.
    void run(const std::atomic<bool>& stop);

    /// How many tasks of a stream are issued; their ends are known then.
    [[nodiscard]] std::size_t issued(std::size_t stream) const {
        return streams_[stream].issued.load(std::memory_order_acquire);
    }
    /// The next task of the stream waits for the other members of its communicator.
    [[nodiscard]] bool at_meeting(std::size_t stream) const { return streams_[stream].waiting; }
    /// Reached when the task has ended. Precondition: it is issued.
    [[nodiscard]] Mark end_of(std::uint32_t task) const { return end_[task]; }
    /// Seconds that issuing each task took.
    [[nodiscard]] const std::vector<double>& issue_s() const { return issue_s_; }

  private:
    struct Stream {
        std::atomic<std::size_t> issued = 0;
        std::atomic<bool> waiting = false;
    };

    [[nodiscard]] std::size_t left() const { return tasks_.size() - done_; }
    bool admit();
    bool take_note_of_meetings();
    bool issue_next();
    [[nodiscard]] bool can_issue(std::uint32_t task) const;
    void issue(std::uint32_t task);
    std::vector<Mark> marks_before(std::uint32_t task) const;
    void issued_one(std::uint32_t task, Mark end);

    DeviceProgram& program_;
    Devices& devices_;
    const RankTasks& tasks_;
    std::size_t rank_;
    DeviceMeetings& meetings_;
    std::vector<Stream> streams_;
    std::vector<bool> is_issued_;  ///< [task]
    std::vector<Mark> end_;        ///< [task]
    std::vector<double> issue_s_;  ///< [task]
    std::uint32_t admitted_ = 0;   ///< tasks before it the host has come to
    bool host_waits_ = false;      ///< for a task to end
    std::size_t done_ = 0;
};

}  // namespace orrery::profiler
