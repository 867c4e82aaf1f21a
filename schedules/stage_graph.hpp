// schedules/stage_graph.hpp
//
// What every virtual stage reads and what reads it, as rows of one flat array: a chain unless the schedule
// gives stage_inputs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

class StageGraph {
  public:
    explicit StageGraph(const Schedule& schedule);

    /// The stages whose outputs that stage reads, as in Schedule::stage_inputs.
    [[nodiscard]] std::span<const int> inputs(int stage) const { return row(inputs_, stage); }
    /// The stages that read its output, in ascending order.
    [[nodiscard]] std::span<const int> outputs(int stage) const { return row(outputs_, stage); }

  private:
    struct Rows {
        std::vector<int> first;  ///< of each stage's row; one more marks the end of the last
        std::vector<int> stages;
    };
    static std::span<const int> row(const Rows& rows, int stage) {
        const auto first = static_cast<std::size_t>(rows.first[stage]);
        return {rows.stages.data() + first, static_cast<std::size_t>(rows.first[stage + 1]) - first};
    }

    Rows inputs_, outputs_;
};

}  // namespace orrery::schedules
