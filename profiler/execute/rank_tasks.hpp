// profiler/execute/rank_tasks.hpp
//
// A rank's tasks as an executor goes through them: which stream they are on, which operation of which
// communicator they are a side of, what memory they take and give back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/execute/rank_memory.hpp"
#include "sim/program.hpp"

namespace orrery::profiler {

class RankTasks {
  public:
    /// The program stays alive.
    RankTasks(const sim::Program& program, sim::RankId rank);

    [[nodiscard]] const sim::RankProgram& list() const { return list_; }
    [[nodiscard]] sim::RankId rank() const { return rank_; }
    [[nodiscard]] std::size_t size() const { return list_.size(); }
    [[nodiscard]] std::size_t streams() const { return of_stream_.size(); }
    /// Tasks of a stream in issue order.
    [[nodiscard]] const std::vector<std::uint32_t>& of_stream(std::size_t stream) const {
        return of_stream_[stream];
    }
    [[nodiscard]] std::size_t stream_of(std::uint32_t task) const { return list_.stream[task](); }
    [[nodiscard]] std::span<const sim::TaskId> dependencies(std::uint32_t task) const {
        return list_.dependencies(sim::TaskId(task));
    }
    [[nodiscard]] bool host_waits(std::uint32_t task) const {
        return (list_.flags[task] & sim::kHostWaits) != 0;
    }
    [[nodiscard]] std::uint64_t global(std::uint32_t task) const {
        return program_.first_task[rank_()] + task;
    }

    /// A side of a communicator's operation.
    [[nodiscard]] bool is_operation(std::uint32_t task) const {
        return list_.communicator_slot[task] != sim::kNoCommunicator;
    }
    /// Precondition of these three: is_operation(task).
    [[nodiscard]] sim::CommunicatorId communicator_of(std::uint32_t task) const;
    /// Throws ExperimentError when its work is no collective.
    [[nodiscard]] const sim::Collective& operation_of(std::uint32_t task) const;
    /// Of a send-recv: the stream tells, else the communicator's first member sends to the second.
    [[nodiscard]] bool sends(std::uint32_t task) const;

    /// Takes what the task takes. Throws ExperimentError (task, bytes) without memory.
    void take_memory(std::uint32_t task, RankMemory& memory) const;
    /// Gives back what the task gives back.
    void give_memory(std::uint32_t task, RankMemory& memory) const;
    /// Takes what is held for the whole step. Throws ExperimentError without memory.
    void take_static_bytes(RankMemory& memory) const;

    /// "rank 3 (device 24), stream pp_recv, task 17: recv forward mb 2".
    [[nodiscard]] std::string describe(std::uint32_t task) const;
    /// What is said of a rank on which nothing moves: its tasks in flight (with their communicators), or
    /// those that wait where none is.
    [[nodiscard]] std::string stuck(double seconds, std::size_t left,
                                    const std::vector<std::uint32_t>& in_flight,
                                    const std::vector<std::uint32_t>& waiting) const;

  private:
    [[nodiscard]] std::span<const sim::MemoryEvent> events(std::uint32_t task) const;

    const sim::Program& program_;
    const sim::RankProgram& list_;
    sim::RankId rank_;
    std::vector<std::vector<std::uint32_t>> of_stream_;
    std::vector<std::size_t> event_;  ///< [task+1] into the program's memory events
};

}  // namespace orrery::profiler
