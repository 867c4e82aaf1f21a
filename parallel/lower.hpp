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
#include <memory>
#include <optional>
#include <vector>

#include "models/emit.hpp"
#include "models/graph.hpp"
#include "models/software.hpp"
#include "parallel/meaning.hpp"
#include "parallel/plan.hpp"
#include "parallel/stage_partition.hpp"
#include "parallel/steady_state.hpp"
#include "schedules/schedule.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

struct LowerOptions {
    bool fold = true;  ///< simulate one rank of each set that does the same work
    bool kernel_granularity =
        false;              ///< one task a kernel; otherwise kernels between communications are joined
    bool meanings = false;  ///< say what each task computes (parallel/meaning.hpp)
};

class ExpertTraffic;

/// What the reports want to know of a lowered plan.
struct Lowered {
    sim::Program program;
    std::vector<std::vector<int>> stage_layers;    ///< [virtual stage] nodes of the model's graph
    std::vector<double> device_parameters;         ///< [pipeline device] on one tensor-parallel rank
    std::shared_ptr<const ExpertTraffic> experts;  ///< of a model with experts: who sends how much to whom
    std::vector<RankMeaning> meanings;             ///< [rank program] where the options ask for them
    /// Without a flush: what the step is (parallel/steady_state.hpp). Empty: all of the program.
    std::optional<Period> period;
};

/// Tokens of each slice of a sequence of `tokens` on one context-parallel rank: the plan's, or as equal as
/// the division over tensor-parallel ranks allows.
std::vector<std::int64_t> slice_lengths(const Plan& plan, std::int64_t tokens);

/// Lowers the plan. `schedule` is that of make_plan_schedule. The caller has checked the degrees
/// (study/experiment); a schedule whose order cannot be honoured shows up as a deadlock in the engine. Throws
/// ExperimentError for a plan without meaning.
Lowered lower(const models::Model& model, const Plan& plan, const models::Software& software,
              const schedules::Schedule& schedule, const LowerOptions& options);

}  // namespace orrery::parallel
