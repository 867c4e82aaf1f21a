// study/simulate.hpp
//
// Experiment in, result out: model, cluster and plan are lowered to a program, its works are priced, an
// engine replays it, and the metrics are taken from the timeline.
#pragma once

#include "parallel/lower.hpp"
#include "report/result.hpp"
#include "schedules/schedule.hpp"
#include "sim/cost/price.hpp"
#include "sim/timeline.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// Everything that came of one experiment.
struct Simulation {
    models::Model model;
    schedules::Schedule schedule;
    parallel::Lowered lowered;
    sim::Prices prices;
    sim::Timeline timeline;
    double engine_s = 0;  ///< wall-clock of the engine alone
    double wall_s = 0;    ///< and of everything
};

/// Runs the experiment. Throws ExperimentError, SimulationError, MissingCapability.
Simulation simulate(const Experiment& experiment);

/// The figures every report is made from.
report::Result summarize(const Experiment& experiment, const Simulation& simulation);

/// The step time alone, without memory and metrics: what sweeps and validation need.
double step_time(const Experiment& experiment);

}  // namespace orrery::study
