// Every schedule on four ranks whose devices are threads (profiler/execute/device_run.hpp): it
// ends, in the simulated order, moves the program's bytes and takes the predicted memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "profiler/execute/device_run.hpp"
#include "profiler/execute/microbenchmarks.hpp"
#include "schedules/schedule.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "study/execute.hpp"
#include "study/experiment.hpp"
#include "tests/profiler/host_devices.hpp"
#include "tests/profiler/timeline_rules.hpp"

namespace orrery::study {
namespace {

constexpr double kStep = 0.05;  ///< seconds

Experiment experiment_of(const std::string& schedule, int chunks, const std::string& parallel,
                         const std::string& more = "") {
    return parse_experiment(
        fmt::format("model: {{family: gpt, name: tiny, layers: 16, hidden: 64, heads: 4, vocab: 128, "
                    "seq_length: 32}}\n"
                    "cluster: {{node: dgx-a100, gpus: 4}}\n"
                    "parallel: {{{}}}\n"
                    "schedule: {{name: {}{}}}\n"
                    "training: {{global_batch: 8, micro_batch: 1, seq_length: 32, precision: bf16{}}}\n"
                    "calibration: a100-sxm-80g\ngranularity: layer\nfold: false\n",
                    parallel, schedule, chunks > 1 ? fmt::format(", vpp: {}", chunks) : "", more),
        schedule + ".yaml");
}

/// The experiment, its kernels stretched until the step takes kStep.
Executed prepared(const Experiment& experiment) {
    Executed executed;
    executed.simulation = simulate(experiment);
    const sim::Program& program = executed.simulation.lowered.program;
    executed.costs = executed.simulation.prices.costs;
    const double factor = kStep / executed.simulation.timeline.makespan();
    for (std::size_t work = 0; work < executed.costs.size(); ++work) {
        const bool message = std::holds_alternative<sim::Collective>(program.works[work]);
        const double duration = message ? 0 : factor * executed.costs[work].duration_s;
        executed.costs[work] = {duration, 0, duration};
    }
    executed.simulation.timeline = sim::replay(program, executed.costs);
    return executed;
}

/// What members fetch of an operation, all together, by its meaning: a message once; of an all-reduce all
/// sums but their own; of an all-gather every share.
double bytes_fetched(const sim::Collective& work, double members) {
    switch (work.kind) {
        case sim::CollectiveKind::send_recv:
            return work.bytes;
        case sim::CollectiveKind::all_reduce:
            return (members - 1) * work.bytes;
        case sim::CollectiveKind::all_gather:
            return members * work.bytes;
        default:
            return 0;
    }
}

double bytes_fetched(const sim::Program& program) {
    double bytes = 0;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (tasks.communicator_slot[t] == sim::kNoCommunicator) continue;
            const sim::CommunicatorId id = program.ranks[r].communicators[tasks.communicator_slot[t]];
            const auto members = static_cast<double>(program.communicators[id()].members.size());
            const auto& work = std::get<sim::Collective>(program.works[tasks.work[t]()]);
            bytes += bytes_fetched(work, members) / members;  // each member's task adds its part
        }
    }
    return bytes;
}

class EverySchedule : public ::testing::TestWithParam<std::string> {};

TEST_P(EverySchedule, EndsOnDevicesInTheSimulatedOrder) {
    const schedules::ScheduleEntry& entry = schedules::find_schedule(GetParam());
    const Experiment experiment =
        experiment_of(std::string(entry.name), entry.default_chunks, "tp: 1, pp: 4, dp: 1");
    Executed executed = prepared(experiment);
    const sim::Program& program = executed.simulation.lowered.program;
    profiler::testing::HostDevices devices(program.ranks.size());
    profiler::ExecuteOptions options;
    options.timeout_s = 20;
    const profiler::PlannedRun run{program, executed.costs, {}, {}};
    profiler::Execution execution = profiler::execute_on_devices({run}, options, devices);
    executed.steps = std::move(execution.steps.front());
    const sim::Timeline& measured = executed.steps.front().timeline;

    profiler::testing::expect_rules_kept(program, executed.costs, measured);
    profiler::testing::expect_rendezvous_kept(program, measured);
    const report::ExecutionComparison comparison = compare(experiment, executed);
    EXPECT_FALSE(comparison.mismatch) << comparison.mismatch->first << " and " << comparison.mismatch->second;
    EXPECT_GE(comparison.step_time_s.measured, 0.999 * comparison.step_time_s.predicted);
    EXPECT_DOUBLE_EQ(static_cast<double>(devices.copied_bytes), bytes_fetched(program));
    const sim::ClusterMemory memory = sim::measure_memory(program, executed.simulation.timeline);
    // An eviction gives its bytes back where it is issued, in the simulation when it has ended.
    const double least = GetParam() == "bpipe" ? 0.9 : 0.99;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const double predicted = memory.per_rank[r].peak_bytes;
        EXPECT_GE(executed.steps.front().peak_bytes[r], least * predicted) << "rank " << r;
        EXPECT_LE(executed.steps.front().peak_bytes[r], 1.01 * predicted) << "rank " << r;
    }
}

std::vector<std::string> all() {
    std::vector<std::string> names;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) names.emplace_back(entry.name);
    return names;
}

INSTANTIATE_TEST_SUITE_P(Schedules, EverySchedule, ::testing::ValuesIn(all()), [](const auto& one) {
    std::string name = one.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

/// Collectives of every dimension beside pipelines, sharded and with offload.
TEST(Devices, RunPlansWithCollectivesAndCopies) {
    for (const auto& [parallel, more] : std::vector<std::pair<std::string, std::string>>{
             {"tp: 2, pp: 2, dp: 1, sequence_parallel: true", ""},
             {"tp: 1, pp: 1, dp: 4, sharding: zero-3", ""},
             {"tp: 1, pp: 2, dp: 2, sharding: zero-1", ""},
             {"tp: 1, pp: 1, dp: 2, cp: 2", ""},
             {"tp: 2, pp: 1, dp: 2", ", recompute: full"}}) {
        SCOPED_TRACE(parallel + more);
        const Experiment experiment = experiment_of("1f1b", 1, parallel, more);
        Executed executed = prepared(experiment);
        const sim::Program& program = executed.simulation.lowered.program;
        profiler::testing::HostDevices devices(program.ranks.size());
        profiler::ExecuteOptions options;
        options.timeout_s = 20;
        const profiler::PlannedRun benchmarks = profiler::microbenchmarks(program, executed.costs, options);
        const profiler::PlannedRun run{program, executed.costs, {}, {}};
        profiler::Execution execution = profiler::execute_on_devices({benchmarks, run}, options, devices);
        executed.costs = profiler::measured_costs(benchmarks, execution.steps[0], executed.costs, options);
        executed.simulation.timeline = predicted_again(executed);
        executed.steps = std::move(execution.steps[1]);
        const report::ExecutionComparison comparison = compare(experiment, executed);
        EXPECT_FALSE(comparison.mismatch)
            << comparison.mismatch->first << " and " << comparison.mismatch->second;
    }
}

}  // namespace
}  // namespace orrery::study
