// parallel/pipeline/prepared_layers.hpp
//
// What one pass over a layer consists of on this rank, made once for each kind of layer, pass and token slice
// and then appended as often as micro-batches come by.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "parallel/rank_context.hpp"

namespace orrery::parallel {

/// A step of a layer with its work in the program.
struct PreparedStep {
    Step::Kind kind = Step::Kind::kernel;
    RoleKind role = RoleKind::tp;  ///< of a collective
    sim::WorkId work = {};
    std::int32_t name = 0;                 ///< of a collective
    bool gated = false;                    ///< the first kernels after a communication
    std::vector<OperatorPart> parts = {};  ///< of the layer's operators that it completes
};

class PreparedLayers {
  public:
    explicit PreparedLayers(RankContext& context) : c_(context) {}

    /// `draw`: of the gating, where the layer has experts (RankContext::draw_of). `selective`: the pass
    /// repeats what selective recomputation dropped.
    const std::vector<PreparedStep>& steps(int node, int draw, Pass pass, int slice, bool selective);

  private:
    std::vector<PreparedStep> prepare(int node, int draw, Pass pass, int slice, bool selective);
    [[nodiscard]] sim::Collective layer_collective(const Step& step, int type, int draw);
    void prepare_kernels(const std::vector<Step>& run, std::vector<PreparedStep>& prepared);

    RankContext& c_;
    /// By layer type, draw of the gating, pass, slice, and whether selective.
    std::map<std::tuple<int, int, Pass, int, bool>, std::vector<PreparedStep>> prepared_;
};

}  // namespace orrery::parallel
