// study/plan_search.hpp
//
// The schedules that are a search over the plan, on a real model: adapipe (partition and recomputation),
// mpress (recomputation and swapping), mcap (partition). Layers are priced from the model, the calibration
// and the cluster (study/layer_prices.hpp), the search of the schedules room finds the plan, and its parts
// become those of the experiment: what lies where is then lowered and measured like any other plan.
#pragma once

#include <string>

#include "study/experiment.hpp"

namespace orrery::study {

/// Whether the experiment's schedule is one of them and its plan leaves the search something to decide.
bool searches_plan(const Experiment& experiment);

struct SearchedPlan {
    Experiment experiment;  ///< 1F1B with the partition, recomputation and offload per layer that were found
    std::string found;      ///< the same in a line, for reports
};

/// Searches. Throws ExperimentError where nothing fits or there are fewer micro-batches than stages.
SearchedPlan with_searched_plan(const Experiment& experiment);

}  // namespace orrery::study
