// parallel/lower.hpp
//
// Model x plan x schedule -> program. The one function that turns what the user describes into the tasks of
// every rank.
//
// For each pipeline device the schedule's actions become, in order: the receive of what the action needs, the
// layers' steps (kernels on the compute stream, tensor-parallel collectives on the tp stream), the send of
// its result. Data parallelism (parallel/data/) adds its collectives around them, the optimizer ends the
// step. Dependencies are only those of the data, the streams and, where the plan says so, of a framework that
// waits.
#pragma once

#include <cstdint>
#include <vector>

#include "models/emit.hpp"
#include "models/graph.hpp"
#include "models/software.hpp"
#include "parallel/plan.hpp"
#include "schedules/schedule.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

struct LowerOptions {
    bool fold = true;  ///< simulate one rank of each set that does the same work
    bool kernel_granularity =
        false;  ///< one task a kernel; otherwise kernels between communications are joined
};

/// What the reports want to know of a lowered plan.
struct Lowered {
    sim::Program program;
    std::vector<std::vector<int>> stage_layers;  ///< [virtual stage] nodes of the model's chain
    std::vector<double> device_parameters;       ///< [pipeline device] on one tensor-parallel rank
};

/// Which nodes of the chain each virtual stage holds, in order: blocks as evenly as possible, the embedding
/// with the first stage and the head with the last. Where the blocks do not divide, the stages at the ends
/// have one less, as Llama 3's 126 layers lay on 16 stages (Llama team 2024, section 3.3.2).
std::vector<std::vector<int>> partition(const models::Model& model, int stages);

/// Lowers the plan. The caller has checked the degrees (study/experiment); a schedule whose order cannot be
/// honoured shows up as a deadlock in the engine.
Lowered lower(const models::Model& model, const Plan& plan, const models::Software& software,
              const schedules::Schedule& schedule, const LowerOptions& options);

}  // namespace orrery::parallel
