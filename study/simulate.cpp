#include "study/simulate.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>

#include "core/error.hpp"
#include "models/software.hpp"
#include "schedules/schedule.hpp"
#include "sim/engine/engine.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

schedules::Schedule schedule_of(const Experiment& experiment) {
    const parallel::Plan& plan = experiment.plan;
    schedules::PipelineShape shape;
    shape.devices = plan.parallel.pp;
    shape.micro_batches = static_cast<int>(plan.training.micro_batches(plan.parallel));
    shape.chunks = plan.parallel.vpp;
    shape.variant = plan.schedule_variant;
    return schedules::make_schedule(plan.schedule, shape);
}

sim::Timeline run_engine(const Experiment& experiment, const Simulation& s) {
    if (experiment.engine == EngineKind::replay) {
        return sim::replay_with_contention(s.lowered.program, s.prices.costs,
                                           shared_overlap()->compute_slowdown);
    }
    return sim::simulate_with_simgrid(s.lowered.program, s.prices.costs, experiment.cluster);
}

}  // namespace

Simulation simulate(const Experiment& experiment) {
    const Clock::time_point begin = Clock::now();
    Simulation s;
    s.model = models::build_transformer(experiment.model);
    s.schedule = schedule_of(experiment);
    const parallel::LowerOptions options{experiment.fold && experiment.engine == EngineKind::replay,
                                         experiment.granularity == Granularity::kernel};
    const std::shared_ptr<const models::Software> software = shared_software(experiment.plan.software);
    s.lowered = parallel::lower(s.model, experiment.plan, *software, s.schedule, options);
    s.prices = sim::price(s.lowered.program, *shared_calibration(experiment.calibration),
                          *shared_collectives(experiment.cluster.node.collectives), experiment.cluster);
    const Clock::time_point engine = Clock::now();
    s.timeline = run_engine(experiment, s);
    s.engine_s = seconds_since(engine);
    s.wall_s = seconds_since(begin);
    return s;
}

double step_time(const Experiment& experiment) {
    return simulate(experiment).timeline.makespan();
}

}  // namespace orrery::study
