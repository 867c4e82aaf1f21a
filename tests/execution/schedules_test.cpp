// Every registered schedule on four processes: compute emulated, messages real. They end, in the simulated
// order, in the predicted time; the prediction's messages are priced by microbenchmarks before.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "mpi_here.hpp"
#include "profiler/execute/microbenchmarks.hpp"
#include "schedules/schedule.hpp"
#include "sim/engine/engine.hpp"
#include "study/execute.hpp"
#include "study/experiment.hpp"

namespace orrery::study {
namespace {

constexpr double kStep = 0.15;       ///< seconds of the shortest schedule: a pass of 5 ms and more
constexpr double kTolerance = 0.05;  ///< of the step time
constexpr int kRepeat = 3;

/// A small GPT on four stages with eight micro-batches.
std::optional<Experiment> experiment_of(const schedules::ScheduleEntry& entry) {
    const std::string text = fmt::format(
        "model: {{family: gpt, name: tiny, layers: 16, hidden: 64, heads: 4, vocab: 128, seq_length: 32}}\n"
        "cluster: {{node: dgx-a100, gpus: 4}}\n"
        "parallel: {{tp: 1, pp: 4, dp: 1}}\n"
        "schedule: {{name: {}{}}}\n"
        "training: {{global_batch: 8, micro_batch: 1, seq_length: 32, precision: bf16}}\n"
        "calibration: a100-sxm-80g\ngranularity: layer\nfold: false\n",
        entry.name, entry.default_chunks > 1 ? fmt::format(", vpp: {}", entry.default_chunks) : "");
    try {
        return parse_experiment(text, std::string(entry.name) + ".yaml");
    } catch (const InputError& error) {
        ADD_FAILURE() << error.what();
        return std::nullopt;
    }
}

struct Prepared {
    std::string name;
    Executed executed;
    profiler::PlannedRun benchmarks;
};

/// Kernels stretched until the step takes kStep; messages stay what they are.
Prepared prepared(const Experiment& experiment, const profiler::ExecuteOptions& options) {
    Prepared one;
    one.name = experiment.plan.schedule;
    one.executed.options = options;
    one.executed.simulation = simulate(experiment);
    const sim::Program& program = one.executed.simulation.lowered.program;
    one.executed.costs = one.executed.simulation.prices.costs;
    sim::WorkCosts& costs = one.executed.costs;
    for (sim::WorkCost& cost : costs) cost = {cost.duration_s, 0, cost.duration_s};
    const double factor = kStep / sim::replay(program, costs).makespan();
    for (std::size_t work = 0; work < costs.size(); ++work) {
        if (std::holds_alternative<sim::Collective>(program.works[work])) continue;
        costs[work].duration_s *= factor;
        costs[work].issue_to_end_s *= factor;
    }
    one.benchmarks = profiler::microbenchmarks(program, one.executed.costs, options);
    return one;
}

TEST(EveryScheduleUnderMpi, EndsInTheSimulatedOrderAndInThePredictedTime) {
    if (!mpi_here()) GTEST_SKIP() << "no MPI here";
    profiler::ExecuteOptions options;
    options.emulate_compute = true;
    options.repeat = kRepeat;
    std::vector<Prepared> all;
    std::vector<profiler::PlannedRun> runs;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        const std::optional<Experiment> experiment = experiment_of(entry);
        if (!experiment) continue;
        all.push_back(prepared(*experiment, options));
        runs.push_back(all.back().benchmarks);
        runs.push_back({all.back().executed.simulation.lowered.program, all.back().executed.costs, {}, {}});
    }
    ASSERT_GT(all.size(), 20U);
    profiler::Execution execution = profiler::execute_with_mpi(runs, options, rank_command());
    ASSERT_EQ(execution.steps.size(), runs.size());

    double worst = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        Executed& executed = all[i].executed;
        const sim::Program& program = executed.simulation.lowered.program;
        executed.steps = std::move(execution.steps[2 * i + 1]);
        executed.costs =
            profiler::measured_costs(all[i].benchmarks, execution.steps[2 * i], executed.costs, options);
        executed.simulation.timeline = sim::replay(program, executed.costs);
        const report::ExecutionComparison comparison =
            compare(*experiment_of(schedules::registry()[i]), executed);
        EXPECT_FALSE(comparison.mismatch)
            << all[i].name << ": " << comparison.mismatch->first << " and " << comparison.mismatch->second;
        if (machine_is_quiet()) {
            EXPECT_NEAR(comparison.step_time_s.error(), 0, kTolerance) << all[i].name;
        }
        worst = std::max(worst, std::abs(comparison.step_time_s.error()));
        std::printf("%-24s predicted %.4f s, measured %.4f s (%.4f to %.4f), error %+.1f%%\n",
                    all[i].name.c_str(), comparison.step_time_s.predicted, comparison.step_time_s.measured,
                    comparison.step_time_s.least, comparison.step_time_s.most,
                    100 * comparison.step_time_s.error());
    }
    std::printf("%zu schedules, worst error %.1f%%\n", all.size(), 100 * worst);
}

}  // namespace
}  // namespace orrery::study
