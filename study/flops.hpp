// study/flops.hpp
//
// The FLOPs of one optimizer step by the field's convention: matrix products only, attention scores in full
// (Narayanan et al. 2021, appendix), for the whole cluster.
#pragma once

#include "models/graph.hpp"
#include "models/software.hpp"
#include "parallel/plan.hpp"
#include "schedules/schedule.hpp"

namespace orrery::study {

struct StepFlops {
    double model = 0;       ///< forward and backward, no recomputation: what mfu counts
    double recomputed = 0;  ///< repeated in backward under the plan's policy: hfu counts it too
};

/// `stage_layers` as parallel::Lowered has it: which layers a block-wise recomputation repeats. A schedule's
/// own recompute actions (Varuna) repeat whole stages.
StepFlops step_flops(const models::Model& model, const parallel::Plan& plan, const models::Software& software,
                     const schedules::Schedule& schedule, const std::vector<std::vector<int>>& stage_layers);

/// The formula in words, as the reports print it.
inline constexpr const char* kFlopFormula =
    "model FLOPs: 3 x the forward's matrix products, output projection included, causal attention in full";

}  // namespace orrery::study
