// study/moe_table.hpp
//
// The keys of an experiment's `moe:` map: how tokens reach experts.
#pragma once

#include <string>

#include "core/schema.hpp"
#include "parallel/expert/expert_plan.hpp"

namespace orrery::study {

struct Experiment;

struct MoeChoice {
    parallel::ExpertPlan plan;
    std::string histogram;  ///< path of a table with a column `tokens`, one row an expert
};

const schema::Table<MoeChoice>& moe_table();

/// The plan that the map describes, its histogram read. Throws InputError at the key or in the table.
parallel::ExpertPlan expert_plan_of(const Experiment& experiment, const MoeChoice& choice);

/// "zipf, skew 1.2; capacity 1.25, drop": for reports. `model_capacity`: the model's own capacity factor.
std::string describe(const parallel::ExpertPlan& plan, double model_capacity);

}  // namespace orrery::study
