// study/simulate.hpp
//
// Experiment in, result out: model, cluster and plan are lowered to a program, its works are priced, an
// engine replays it, and the metrics are taken from the timeline.
#pragma once

#include <optional>
#include <string>

#include "parallel/lower.hpp"
#include "report/result.hpp"
#include "schedules/schedule.hpp"
#include "sim/cost/price.hpp"
#include "sim/metrics/metrics.hpp"
#include "sim/timeline.hpp"
#include "study/experiment.hpp"
#include "study/flow_run.hpp"

namespace orrery::study {

/// Everything that came of one experiment.
struct Simulation {
    models::Model model;
    schedules::Schedule schedule;
    parallel::Lowered lowered;
    sim::Prices prices;
    sim::Timeline timeline;
    std::optional<FlowRecord> flow;  ///< of the engine flow; of replay by study/replay_links.hpp
    std::string unfolded;  ///< why every rank was simulated although folding was asked for, or empty
    std::string found;     ///< what a search over the plan found (study/plan_search.hpp)
    double engine_s = 0;   ///< wall-clock of the engine alone
    double wall_s = 0;     ///< and of everything

    /// Of a schedule without a flush: the part of the timeline that is one step, in steady state.
    [[nodiscard]] std::optional<sim::StepWindow> window() const;
    /// One optimizer step: the window, or all of the timeline.
    [[nodiscard]] double step_time_s() const;
};

/// The experiment's program: every rank, or with `fold` one of each set that does the same work; on a cluster
/// of several kinds of nodes placed on them (sim/placed_program.hpp). Throws ExperimentError.
parallel::Lowered lowered(const Experiment& experiment, const models::Model& model,
                          const schedules::Schedule& schedule, bool fold);

/// Runs the experiment. Throws ExperimentError, SimulationError, MissingCapability.
Simulation simulate(const Experiment& experiment);

/// The figures every report is made from.
report::Result summarize(const Experiment& experiment, const Simulation& simulation);

/// The step time alone, without memory and metrics: what sweeps and validation need.
double step_time(const Experiment& experiment);

/// The longest time that one rank's compute stream works on the step, from its first task's start to its last
/// one's end. Where no rank waits for others between two steps (optimizer post-validation: Qi et al. 2024,
/// section 4), steps interlock and follow each other at this distance; otherwise at the makespan's.
double longest_span(const sim::Program& program, const sim::Timeline& timeline);

}  // namespace orrery::study
