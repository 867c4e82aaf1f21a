// tests/sim/flow_sample.hpp
//
// Loads made by hand: links that the test invents, each of capacity 1e9 bytes/s.
#pragma once

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "sim/engine/flow_loads.hpp"
#include "sim/program.hpp"

namespace orrery::sim::testing {

class HandLoads {
  public:
    HandLoads(const Program& p, std::size_t links) : program(p) {
        table.capacity.assign(links, 1e9);
        for (std::uint32_t l = 0; l < links; ++l) table.links.push_back({l});
    }

    /// Every operation of every communicator moves bytes for `part` of its duration, over the links that
    /// `links` names with a byte count each; only their ratio matters, the most loaded is full.
    void add_all(const WorkCosts& costs, double part,
                 const std::function<std::vector<LinkBytes>(std::size_t)>& links) {
        std::set<std::pair<std::uint32_t, std::uint32_t>> used;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const RankProgram& tasks = program.program_of(RankId(r));
            for (std::size_t i = 0; i < tasks.size(); ++i)
                if (tasks.communicator_slot[i] != kNoCommunicator)
                    used.emplace(program.ranks[r].communicators[tasks.communicator_slot[i]].value,
                                 tasks.work[i].value);
        }
        for (const auto& [communicator, work] : used) {
            const double transfer_s = part * costs[work].duration_s;
            if (transfer_s <= 0) continue;
            std::vector<LinkBytes> traffic = links(communicator);
            double most = 0;
            for (const LinkBytes& on : traffic) most = std::max(most, on.wire);
            for (LinkBytes& on : traffic) {
                on.payload = on.payload / most * transfer_s * 1e9;
                on.wire = on.wire / most * transfer_s * 1e9;
            }
            advance(communicator);
            table.uses.push_back({work, append_load(table, traffic, transfer_s)});
        }
    }

    [[nodiscard]] FlowLoads build() const {
        HandLoads copy = *this;
        copy.advance(program.communicators.size() + program.ranks.size());
        return copy.table;
    }

  private:
    void advance(std::size_t owner) {
        while (table.first_use.size() <= owner)
            table.first_use.push_back(static_cast<std::uint32_t>(table.uses.size()));
    }

    const Program& program;
    FlowLoads table;
};

}  // namespace orrery::sim::testing
