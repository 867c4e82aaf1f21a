#include "study/simulate.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "core/error.hpp"
#include "models/software.hpp"
#include "parallel/pipeline_shape.hpp"
#include "schedules/schedule.hpp"
#include "sim/engine/engine.hpp"
#include "sim/placed_program.hpp"
#include "study/collective_choice.hpp"
#include "study/kind_prices.hpp"
#include "study/plan_search.hpp"
#include "study/shared_inputs.hpp"
#include "study/stage_times.hpp"
#include "study/step_window.hpp"

namespace orrery::study {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Schedules whose order is searched for given times: they get the plan's own.
bool searches_by_time(const std::string& schedule) {
    static constexpr std::array<std::string_view, 2> kSearching{"zb-auto", "zb-v"};
    return std::find(kSearching.begin(), kSearching.end(), schedule) != kSearching.end();
}

schedules::Schedule schedule_of(const Experiment& experiment, const models::Model& model) {
    schedules::PipelineShape shape = parallel::pipeline_shape(experiment.plan, model);
    if (shape.devices > 1 && searches_by_time(experiment.plan.schedule)) {
        const StageTimes times = stage_times(experiment);
        shape.forward_time = times.forward_s;
        shape.backward_input_time = times.backward_input_s;
        shape.backward_weight_time = times.backward_weight_s;
        shape.communication_time = times.transfer_s;
    }
    return parallel::make_plan_schedule(experiment.plan, shape);
}

/// Ranks that are disturbed one by one do not do the same.
bool may_fold(const Experiment& experiment) {
    const bool alike =
        experiment.stragglers.empty() && experiment.jitter.deviation == 0 && experiment.faults.empty();
    return experiment.fold && alike && experiment.engine != EngineKind::simgrid;
}

sim::Timeline replayed(const Experiment& experiment, const Simulation& s) {
    const sim::Disturbances kernels = kernel_disturbances(experiment);
    return sim::replay_with_contention(s.lowered.program, s.prices.costs, shared_overlap()->slowdown(),
                                       sim::kernel_stretch(s.lowered.program, s.prices.costs, kernels));
}

/// Folded where that provably changes nothing; otherwise every rank.
void run_flow(const Experiment& experiment, Simulation& s, bool fold) {
    sim::FlowLoads loads;
    if (fold && experiment.plan.parallel.gpus() > static_cast<std::int64_t>(s.lowered.program.ranks.size())) {
        parallel::Lowered whole = lowered(experiment, s.model, s.schedule, false);
        sim::FoldedLoads folded = folded_loads(experiment, s.lowered.program, whole.program);
        if (folded.loads) {
            loads = std::move(*folded.loads);
        } else {
            s.unfolded = "every rank simulated, for folding would change the network: " + folded.why_not;
            s.lowered = std::move(whole);
            loads = whole_loads(experiment, s.lowered.program);
        }
    } else {
        loads = whole_loads(experiment, s.lowered.program);
    }
    FlowOutcome outcome = run_flow(experiment, s.lowered.program, s.prices.costs, std::move(loads));
    s.timeline = std::move(outcome.timeline);
    s.flow = std::move(outcome.record);
}

void run_engine(const Experiment& experiment, Simulation& s, bool fold) {
    switch (experiment.engine) {
        case EngineKind::replay:
            s.timeline = replayed(experiment, s);
            return;
        case EngineKind::flow:
            run_flow(experiment, s, fold);
            return;
        case EngineKind::simgrid:
            s.timeline = sim::simulate_with_simgrid(s.lowered.program, s.prices.costs, experiment.cluster,
                                                    experiment.collectives);
            return;
    }
}

/// Keys that another engine would silently leave out.
void check_engine(const Experiment& experiment) {
    const auto refuse = [&](bool given, const char* key, const char* engines) {
        if (given)
            throw InputError(experiment.where(key), key,
                             std::string("engine ") + std::string(to_string(experiment.engine)) +
                                 " does not model it; expected engine: " + engines);
    };
    if (experiment.engine == EngineKind::flow) return;
    const Location shared = experiment.where("sharing");
    const Location top = experiment.where("");
    refuse(!experiment.faults.empty(), "faults", "flow");
    refuse(shared.line != top.line, "sharing", "flow");
    if (experiment.engine == EngineKind::replay) return;
    refuse(!experiment.stragglers.empty(), "stragglers", "replay or flow");
    refuse(experiment.jitter.deviation > 0, "jitter", "replay or flow");
}

Simulation simulate_checked(const Experiment& experiment) {
    const Clock::time_point begin = Clock::now();
    if (searches_plan(experiment)) {
        SearchedPlan searched = with_searched_plan(experiment);
        Simulation s = simulate_checked(searched.experiment);
        s.found = std::move(searched.found);
        s.wall_s = seconds_since(begin);
        return s;
    }
    Simulation s;
    s.model = models::build_transformer(experiment.model);
    s.schedule = schedule_of(experiment, s.model);
    const bool fold = may_fold(experiment);
    s.lowered = lowered(experiment, s.model, s.schedule, fold);
    s.prices = prices_of(experiment, s.lowered.program);
    const Clock::time_point engine = Clock::now();
    run_engine(experiment, s, fold);
    s.engine_s = seconds_since(engine);
    s.wall_s = seconds_since(begin);
    return s;
}

}  // namespace

parallel::Lowered lowered(const Experiment& experiment, const models::Model& model,
                          const schedules::Schedule& schedule, bool fold) {
    const bool mixed = experiment.cluster.mixed();
    const parallel::LowerOptions options{fold && !mixed, experiment.granularity == Granularity::kernel};
    parallel::Lowered all = parallel::lower(model, experiment.plan,
                                            *shared_software(experiment.plan.software), schedule, options);
    if (mixed) all.program = sim::placed_program(all.program, experiment.cluster, fold);
    return all;
}

Simulation simulate(const Experiment& experiment) {
    check_engine(experiment);
    try {
        return simulate_checked(experiment);
    } catch (const InputError& error) {
        throw at_forced_key(experiment, error);
    }
}

std::optional<sim::StepWindow> step_window(const parallel::Lowered& lowered, const sim::Timeline& timeline) {
    if (!lowered.period) return std::nullopt;
    const parallel::Period& period = *lowered.period;
    const auto rank =
        std::find_if(lowered.program.ranks.begin(), lowered.program.ranks.end(),
                     [&](const sim::Rank& one) { return one.pipeline_device == period.pipeline_device; });
    const std::uint64_t first =
        lowered.program.first_task[static_cast<std::size_t>(rank - lowered.program.ranks.begin())];
    return sim::StepWindow{timeline.end[first + period.from()], timeline.end[first + period.to()]};
}

std::optional<sim::StepWindow> Simulation::window() const {
    return step_window(lowered, timeline);
}

double Simulation::step_time_s() const {
    const auto step = window();
    return step ? step->end_s - step->begin_s : timeline.makespan();
}

double step_time(const Experiment& experiment) {
    return simulate(experiment).step_time_s();
}

double longest_span(const sim::Program& program, const sim::Timeline& timeline) {
    double longest = 0;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        double first = std::numeric_limits<double>::infinity();
        double last = 0;
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            if (tasks.streams[tasks.stream[t]()].kind != sim::StreamKind::compute) continue;
            const std::uint64_t at = program.first_task[r] + t;
            // The wait for the first input and the loading of the batch may lie beside the step before.
            if (tasks.label[t].layer >= 0) first = std::min(first, timeline.start[at]);
            last = std::max(last, timeline.end[at]);
        }
        if (last > first) longest = std::max(longest, last - first);
    }
    return longest;
}

}  // namespace orrery::study
