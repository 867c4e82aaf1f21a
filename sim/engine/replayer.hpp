// sim/engine/replayer.hpp
//
// The engine `replay` for a program that is replayed more than once, each time with other stretches: checked
// and packed once, its state and the timeline's memory used again.
#pragma once

#include <memory>
#include <span>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

class Replayer {
  public:
    /// Both must outlive it. Throws SimulationError where the program is not valid.
    Replayer(const Program& program, const WorkCosts& costs);
    ~Replayer();
    Replayer(const Replayer&) = delete;
    Replayer& operator=(const Replayer&) = delete;

    /// As replay() with `stretch` (by global task; empty: none). `timeline` is one of
    /// make_timeline(program.tasks()) or of an earlier run; every entry is written. Returns its
    /// makespan. After a throw the replayer must not run again.
    double run(std::span<const double> stretch, Timeline& timeline);

  private:
    class Pass;
    std::unique_ptr<Pass> pass_;
};

}  // namespace orrery::sim
