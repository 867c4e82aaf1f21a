// parallel/pipeline/stage_tensors.hpp
//
// Which layers' outputs travel along each edge of the graph of stages.
//
// Where the stage of a layer and that of a layer that reads it have an edge between them, the output takes
// it. Where they have none, it is handed on from stage to stage along the shortest way, in one message with
// what else goes there: so the outputs of a model's towers pass through the stages between them and the
// trunk, where a schedule lays the towers one after the other, and so does everything through a stage without
// a layer. Gradients take the same way back. An output that several layers behind an edge read travels once.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/graph.hpp"
#include "parallel/pipeline/stage_graph.hpp"

namespace orrery::parallel {

class StageTensors {
  public:
    /// Throws ExperimentError where an output has no way to its reader, or an edge nothing to carry: the
    /// schedule's stages are then no stages of this model.
    StageTensors(const models::Model& model, const std::vector<std::vector<int>>& stage_layers,
                 const StageGraph& graph, const std::string& schedule);

    /// Nodes whose outputs go from stage `upper` to stage `lower`, ascending.
    [[nodiscard]] const std::vector<int>& between(int upper, int lower) const {
        return nodes_.at({upper, lower});
    }

  private:
    std::map<std::pair<int, int>, std::vector<int>> nodes_;
};

}  // namespace orrery::parallel
