// parallel/pipeline/layer_runs.hpp
//
// Passes over layers as tasks: kernels on the compute stream, the collectives inside a layer on theirs, and
// between them what waits for what.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "parallel/pipeline/prepared_layers.hpp"
#include "parallel/rank_context.hpp"

namespace orrery::parallel {

class LayerRuns {
  public:
    explicit LayerRuns(RankContext& context) : c_(context), prepared_(context) {}

    /// Appends one pass over the node; see PreparedLayers::steps.
    void run(int node, int draw, Pass pass, int slice, bool selective, const sim::TaskLabel& label);
    /// Host work between layers, in framework operations; nothing for none.
    void host(double operations, const sim::TaskLabel& label);

    /// The kernels that follow wait for that task.
    void gate(sim::TaskId task) {
        if (task) gates_.push_back(task);
    }
    /// What the next kernels would wait for: communications that end what has run so far.
    [[nodiscard]] const std::vector<sim::TaskId>& pending() const { return gates_; }
    std::vector<sim::TaskId> take_pending() { return std::exchange(gates_, {}); }

  private:
    void compute(sim::WorkId work, const sim::TaskLabel& label, bool gated);
    void mean(const PreparedStep& step, Pass pass, const sim::TaskLabel& label);

    RankContext& c_;
    PreparedLayers prepared_;
    std::vector<sim::TaskId> gates_;
    /// The layer's last communication of each stream that nothing has waited for yet.
    std::map<sim::StreamKind, sim::TaskId> outstanding_;
};

}  // namespace orrery::parallel
