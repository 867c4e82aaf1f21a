// profiler/execute/device_meetings.hpp
//
// Where the hosts of the ranks meet: the operations of communicators, each issued for all by the member that
// comes last. Its functions may be called by all hosts at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "profiler/execute/device_program.hpp"

namespace orrery::profiler {

/// An operation that was issued, for its times.
struct IssuedOperation {
    std::vector<Mark> arrived;         ///< its members are there when all are reached ...
    double posted_s = 0;               ///< ... and this moment has come
    std::vector<std::uint64_t> tasks;  ///< the members' sides, global
};

class DeviceMeetings {
  public:
    explicit DeviceMeetings(DeviceProgram& program);

    /// A rank is at its side of an operation, and is there when `arrived` is reached; not before `posted_s`,
    /// where it has no lane that would show it. Issues the operation when the rank is the last. Throws
    /// ExperimentError when the members are not at the same one.
    void arrive(std::size_t rank, std::uint32_t task, std::vector<Mark> arrived, double posted_s);

    /// The operation whose side the task is has been issued. Then `end` is reached when it has ended there.
    bool issued(std::size_t rank, std::uint32_t task, Mark& end);

    /// Grows with everything that is issued here, and with stop().
    [[nodiscard]] std::uint64_t changes();
    /// Sleeps until changes() is not `seen`, at most so long.
    void wait(std::uint64_t seen, double most_s);
    /// Wakes all.
    void stop();

    /// All that were issued. Precondition: no host is at work.
    [[nodiscard]] const std::vector<IssuedOperation>& operations() const { return operations_; }

  private:
    struct Gathering {
        std::vector<OperationMember> members;
        std::vector<std::uint32_t> tasks;  ///< [member]
        std::size_t arrived = 0;
        double posted_s = 0;
        std::uint32_t issued = 0;    ///< operations before
        std::uint32_t work = 0;      ///< of the first that came
        std::vector<Mark> last_end;  ///< [member] of the operation issued last
    };

    void issue(Gathering& gathering, sim::CommunicatorId id);
    [[nodiscard]] std::size_t place(sim::CommunicatorId id, std::size_t rank) const;

    DeviceProgram& program_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t changes_ = 0;
    std::vector<Gathering> gatherings_;  ///< [communicator]
    std::vector<IssuedOperation> operations_;
};

}  // namespace orrery::profiler
