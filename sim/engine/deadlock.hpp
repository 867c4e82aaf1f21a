// sim/engine/deadlock.hpp
//
// Why a program stopped: from how far each stream has come, the cycle of tasks that wait for each other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

/// How far an engine has come: of every stream of every rank, the first task that has not ended (kNoTask when
/// all have). Streams of rank r begin at stream_begin[r].
struct Progress {
    std::vector<std::uint32_t> head;
    std::vector<std::size_t> stream_begin;
};

/// Follows what the first unfinished task waits for (a task the host waits for, a dependency, a member of its
/// communicator that has not arrived) until a task comes twice, or a member that will never arrive. The
/// result's `cycle` has one line a step.
SimulationError explain_deadlock(const Program& program, const Progress& progress);

/// Two members of a communicator met with different works.
SimulationError explain_mismatch(const Program& program, CommunicatorId communicator, RankId first_rank,
                                 TaskId first_task, RankId second_rank, TaskId second_task);

}  // namespace orrery::sim
