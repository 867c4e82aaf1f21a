// sim/engine/ready_time.hpp
//
// When a task's dependencies let it start: the same for the engines that run streams as far as they can go.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/engine/packed_program.hpp"

namespace orrery::sim {

/// Latest end of the task's dependencies and `earliest`. Where one has not ended, leaves the stream's bit
/// with that one's stream and returns a negative number. `Rank` has `streams` (each with `head` and
/// `waiters`), `end` and `dependencies`.
template <class Rank>
double ready_time(Rank& rank, const PackedTask& task, double earliest) {
    const auto after = [&](std::uint32_t before, std::uint32_t stream) {
        auto& of = rank.streams[stream];
        if (before >= of.head) {
            of.waiters |= std::uint64_t{1} << task.stream;
            return false;
        }
        earliest = std::max(earliest, rank.end[before]);
        return true;
    };
    if (task.dependencies == 1) return after(task.first, task.first_stream) ? earliest : -1;
    for (std::uint32_t d = task.first; d < task.first + task.dependencies; ++d)
        if (!after(rank.dependencies[d].task, rank.dependencies[d].stream)) return -1;
    return earliest;
}

}  // namespace orrery::sim
