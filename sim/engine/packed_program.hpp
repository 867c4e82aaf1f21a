// sim/engine/packed_program.hpp
//
// A RankProgram as an engine wants to read it: one record of 32 bytes a task, tasks of a stream linked in
// issue order, the host's clock as a prefix sum. It is built once per RankProgram and shared by all ranks
// that run it.
//
// The host's clock. Between two tasks that block the host (kHostWaits) it runs on unhindered, so h_i is the
// time at which the current segment of the issue order began plus the sum of the launches since. A task's
// segment is the number of blocking tasks issued before it.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

inline constexpr std::uint32_t kNoTask = std::numeric_limits<std::uint32_t>::max();
/// Streams a rank may have: the engines keep sets of them in one machine word.
inline constexpr std::size_t kMaximumStreams = 64;

struct PackedDependency {
    std::uint32_t task = 0;
    std::uint32_t stream = 0;  ///< of `task`
};

struct PackedTask {
    double issue_s = 0;       ///< host time from the start of the task's segment to its issue
    std::uint32_t work = 0;   ///< index of its cost
    std::uint32_t slot = 0;   ///< communicator slot or kNoCommunicator
    std::uint32_t next = 0;   ///< next task of the same stream, or kNoTask
    std::uint32_t first = 0;  ///< its only dependency, or where its dependencies begin in the list
    std::uint32_t dependencies = 0;
    std::uint8_t first_stream = 0;  ///< stream of its only dependency
    std::uint8_t stream = 0;
    bool host_waits = false;
};
static_assert(sizeof(PackedTask) == 32);

/// Where a rank program lies in the arrays of PackedPrograms.
struct PackedRange {
    std::size_t task = 0;
    std::size_t stream = 0;
    std::size_t streams = 0;
    std::size_t host_wait = 0;
    std::size_t segments = 0;
};

/// All rank programs of a program, one after the other.
struct PackedPrograms {
    std::vector<PackedRange> range;  ///< [rank program]
    std::vector<PackedTask> tasks;
    /// Of tasks with two or more. Dependencies on an earlier task of the same stream are left out: the order
    /// of the stream implies them.
    std::vector<PackedDependency> dependencies;
    std::vector<std::uint32_t> first_of_stream;  ///< or kNoTask
    std::vector<std::uint32_t>
        host_waits;  ///< per program: tasks that block the host, in order, then kNoTask
};

/// The program must be valid. Throws SimulationError when a work has no cost.
PackedPrograms pack(const Program& program, const WorkCosts& costs);

}  // namespace orrery::sim
