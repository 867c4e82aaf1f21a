// sim/metrics/gap.hpp
//
// What one rank's compute streams waited for: see metrics.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/engine/packed_program.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

enum class TimeUse : std::uint8_t { compute, optimizer, tp, pp, dp, cp, ep, copy, bubble, host };

/// A stretch of time of one rank and what it went into.
struct Stretch {
    double begin = 0;
    double end = 0;
    TimeUse use = TimeUse::bubble;
    std::uint32_t task = kNoTask;  ///< that ran then; kNoTask where none did
};

/// One rank program, prepared for any rank that runs it.
struct PreparedTasks {
    const RankProgram* tasks = nullptr;
    std::vector<std::uint32_t> previous;  ///< [task] earlier task of its stream, or kNoTask
    std::vector<TimeUse> use;             ///< [task] what its running counts as
    std::vector<std::uint32_t> compute;  ///< tasks on compute streams that are no collectives, in issue order
    std::size_t compute_streams = 0;
};

PreparedTasks trace(const RankProgram& program, const std::vector<Work>& works);

/// One rank's times.
class RankTrace {
  public:
    /// `start` and `end` are those of the rank's tasks.
    RankTrace(const PreparedTasks& program, const WorkCosts& costs, std::span<const double> start,
              std::span<const double> end);

    /// Covers [begin, end) with stretches, each given to `count`; not in the order of time.
    void cover(double begin, double end, const std::function<void(const Stretch&)>& count) const;

  private:
    [[nodiscard]] std::vector<std::uint32_t> compute_by_start() const;
    [[nodiscard]] std::uint32_t last_predecessor(std::uint32_t task) const;
    [[nodiscard]] std::uint32_t last_of_all() const;
    [[nodiscard]] double launched(std::uint32_t task) const;
    void follow(double begin, double until, std::uint32_t task,
                const std::function<void(const Stretch&)>& count) const;
    void running(double begin, double until, std::uint32_t task,
                 const std::function<void(const Stretch&)>& count) const;

    const PreparedTasks& program;
    const WorkCosts& costs;
    std::span<const double> start;
    std::span<const double> end;
    std::vector<double> issue;  ///< [task] when the host began to issue it
};

}  // namespace orrery::sim
