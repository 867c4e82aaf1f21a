// parallel/pipeline/stage_graph.hpp
//
// Which stage feeds which, and which pipeline device holds each: a schedule's placement and graph of stages,
// in the form that lowering asks for.
#pragma once

#include <span>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::parallel {

class StageGraph {
  public:
    explicit StageGraph(const schedules::Schedule& schedule);

    [[nodiscard]] int stages() const { return static_cast<int>(inputs_.size()); }
    /// The pipeline device that holds the stage in that direction of the pipeline.
    [[nodiscard]] int holder(int direction, int stage) const;
    /// Stages whose outputs the stage reads; stages that read its output.
    [[nodiscard]] const std::vector<int>& inputs(int stage) const;
    [[nodiscard]] const std::vector<int>& outputs(int stage) const;

    /// Stages that the action's result goes to: activations downwards, gradients upwards; none of a weight
    /// gradient.
    [[nodiscard]] std::span<const int> consumers(const schedules::Action& action) const;
    /// Stages whose results the action waits for. A recomputation waits for the gradient it serves
    /// (schedules/evaluate.hpp), the backward after it then has it.
    [[nodiscard]] std::span<const int> producers(const schedules::Action& action) const;

    /// [stage] the pipeline devices that hold a copy of its weights, ascending: two where a pipeline runs in
    /// both directions.
    [[nodiscard]] const std::vector<int>& holders(int stage) const;

  private:
    std::vector<std::vector<int>> placement_;
    std::vector<std::vector<int>> inputs_;
    std::vector<std::vector<int>> outputs_;
    std::vector<std::vector<int>> holders_;
};

/// Does the action's result flow down the pipeline (activations)?
bool is_forward(schedules::ActionKind kind);
/// Does it flow up (gradients of activations)?
bool sends_gradient(schedules::ActionKind kind);
/// Does it complete a gradient of weights?
bool completes_gradient(schedules::ActionKind kind);
/// Moves activations and computes nothing?
bool moves_activations(schedules::ActionKind kind);

}  // namespace orrery::parallel
