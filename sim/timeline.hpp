// sim/timeline.hpp
//
// When each task of a program started and ended, simulated or measured. Times are seconds from the start of
// the step.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/program.hpp"

namespace orrery::sim {

struct Timeline {
    std::vector<double> start;  ///< [global task]; of a rendezvous: when its last member arrived
    std::vector<double> end;    ///< [global task]

    /// The largest end, or 0 of an empty program.
    [[nodiscard]] double makespan() const;
};

/// A timeline of that many tasks, all times zero. Asks the kernel for huge pages: of a large timeline, the
/// page faults of ordinary pages take longer than the simulation.
Timeline make_timeline(std::uint64_t tasks);

}  // namespace orrery::sim
