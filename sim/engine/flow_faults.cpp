#include "sim/engine/flow_faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orrery::sim {

FlowFaults::FlowFaults(const Program& program, std::size_t links, const Disturbances& disturbances)
    : link_faults(disturbances.link_faults) {
    for (const LinkFault& fault : link_faults)
        if (fault.link >= links)
            throw SimulationError(fmt::format("a fault of link {}, but there are {}", fault.link, links));
    for (const DeviceFault& fault : disturbances.device_faults) {
        bool found = false;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            if (program.ranks[r].device != fault.device) continue;
            rank_faults.push_back({static_cast<std::uint32_t>(r), fault.at_s, fault.slowdown});
            found = true;
        }
        if (!found)
            throw SimulationError(
                fmt::format("a fault of device {}, which the program does not use", fault.device));
    }
    const auto earlier = [](const auto& a, const auto& b) { return a.at_s < b.at_s; };
    std::stable_sort(link_faults.begin(), link_faults.end(), earlier);
    std::stable_sort(rank_faults.begin(), rank_faults.end(), earlier);
    if (rank_faults.empty()) return;
    rank_faults_left.assign(program.ranks.size(), 0);
    for (const RankFault& fault : rank_faults) ++rank_faults_left[fault.rank];
}

double FlowFaults::next_s() const {
    const double link = next_link < link_faults.size() ? link_faults[next_link].at_s : kNever;
    const double rank = next_rank < rank_faults.size() ? rank_faults[next_rank].at_s : kNever;
    return std::min(link, rank);
}

std::span<const LinkFault> FlowFaults::links_until(double time_s) {
    const std::size_t first = next_link;
    while (next_link < link_faults.size() && link_faults[next_link].at_s <= time_s) ++next_link;
    return std::span(link_faults).subspan(first, next_link - first);
}

std::span<const FlowFaults::RankFault> FlowFaults::ranks_until(double time_s) {
    const std::size_t first = next_rank;
    for (; next_rank < rank_faults.size() && rank_faults[next_rank].at_s <= time_s; ++next_rank)
        --rank_faults_left[rank_faults[next_rank].rank];
    return std::span(rank_faults).subspan(first, next_rank - first);
}

bool FlowFaults::restored(std::uint32_t link) const {
    return std::any_of(link_faults.begin() + static_cast<std::ptrdiff_t>(next_link), link_faults.end(),
                       [link](const LinkFault& fault) { return fault.link == link && fault.factor > 0; });
}

SimulationError explain_cut(const std::string& link, double time_s, std::vector<std::string> tasks) {
    return SimulationError(fmt::format("link '{}' is cut; at {:.6g} s these tasks need it and no other way "
                                       "is known to them:",
                                       link, time_s),
                           std::move(tasks));
}

SimulationError explain_failure(std::uint32_t device, double time_s, std::vector<std::string> tasks) {
    return SimulationError(fmt::format("device {} fails at {:.6g} s and leaves undone:", device, time_s),
                           std::move(tasks));
}

}  // namespace orrery::sim
