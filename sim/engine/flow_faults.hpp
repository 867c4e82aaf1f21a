// sim/engine/flow_faults.hpp
//
// The faults of a simulation in order of time, and what is said when they leave something that cannot go on.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "sim/engine/disturbance.hpp"
#include "sim/program.hpp"

namespace orrery::sim {

inline constexpr double kNever = std::numeric_limits<double>::infinity();

class FlowFaults {
  public:
    struct RankFault {
        std::uint32_t rank = 0;
        double at_s = 0;
        double slowdown = 1;
    };

    /// Throws SimulationError where a fault names a device or link that does not exist.
    FlowFaults(const Program& program, std::size_t links, const Disturbances& disturbances);

    /// When the next one comes, or kNever.
    [[nodiscard]] double next_s() const;
    /// Those up to that time which have not been handed out yet, in order of time.
    std::span<const LinkFault> links_until(double time_s);
    std::span<const RankFault> ranks_until(double time_s);

    /// Whether a later fault gives the link bandwidth again.
    [[nodiscard]] bool restored(std::uint32_t link) const;
    /// Whether a later fault changes the rank.
    [[nodiscard]] bool pending(std::uint32_t rank) const {
        return !rank_faults_left.empty() && rank_faults_left[rank] > 0;
    }

  private:
    std::vector<LinkFault> link_faults;
    std::vector<RankFault> rank_faults;
    std::vector<std::uint32_t> rank_faults_left;  ///< [rank]; empty where there is none at all
    std::size_t next_link = 0;
    std::size_t next_rank = 0;
};

/// The tasks (described) that wait for a link that is cut, and stay waiting.
SimulationError explain_cut(const std::string& link, double time_s, std::vector<std::string> tasks);
/// The first tasks that a failed device leaves undone.
SimulationError explain_failure(std::uint32_t device, double time_s, std::vector<std::string> tasks);

}  // namespace orrery::sim
