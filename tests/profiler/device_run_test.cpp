// The executor of devices, without a GPU: lanes are threads, the logic is all there.
#include <gtest/gtest.h>

#include <numeric>

#include "core/error.hpp"
#include "host_devices.hpp"
#include "profiler/execute/device_run.hpp"
#include "profiler/execute/microbenchmarks.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "tests/profiler/timeline_rules.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;
using sim::StreamKind;
using sim::testing::ProgramBuilder;
using sim::testing::RandomProgram;
using sim::testing::takes;
using testing::HostDevices;

ExecuteOptions options(double timeout_s = 20) {
    ExecuteOptions out;
    out.timeout_s = timeout_s;
    return out;
}

MeasuredStep execute(const PlannedRun& run, HostDevices& devices, const ExecuteOptions& how = options()) {
    return execute_on_devices({run}, how, devices).steps.at(0).back();
}

sim::WorkCosts tenths_of_milliseconds(sim::WorkCosts costs) {
    for (sim::WorkCost& cost : costs)
        cost = {cost.duration_s * 1e-4, cost.launch_s * 1e-4, cost.issue_to_end_s * 1e-4};
    return costs;
}

void expect_the_rules_of_random_programs(bool shuffled) {
    for (unsigned seed = 0; seed < 25; ++seed) {
        sim::testing::RandomShape shape;
        shape.steps = 20;
        shape.shuffle = shuffled;
        shape.host_waits = !shuffled;
        const RandomProgram random(seed, shape);
        const sim::Program& program = random.builder.program;
        const PlannedRun run{program, tenths_of_milliseconds(random.builder.costs), {}, {}};
        HostDevices devices(program.ranks.size());
        const MeasuredStep step = execute(run, devices);
        SCOPED_TRACE(seed);
        sim::WorkCosts kernels = run.costs;  // a message is as fast as it is
        for (std::size_t work = 0; work < kernels.size(); ++work)
            if (std::holds_alternative<sim::Collective>(program.works[work])) kernels[work] = {};
        testing::expect_rules_kept(program, kernels, step.timeline);
        testing::expect_rendezvous_kept(program, step.timeline);
        EXPECT_TRUE(devices.every_rank_entered());
        EXPECT_EQ(step.issue_s.size(), program.tasks());
    }
}

TEST(DeviceRun, KeepsTheRulesOfRandomPrograms) {
    expect_the_rules_of_random_programs(false);
}

TEST(DeviceRun, KeepsTheRulesWhereStreamsAreIssuedInAnyInterleaving) {
    expect_the_rules_of_random_programs(true);
}

TEST(DeviceRun, IsIssuedThoughEachRankSendsBeforeItReceives) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::RankId second = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::CommunicatorId there = b.communicator({first, second}, "there");
    const sim::CommunicatorId back = b.communicator({second, first}, "back");
    const sim::WorkId message = b.collective(CollectiveKind::send_recv, 4000, {0, 1}, takes(0));
    for (int i = 0; i < 10; ++i) {
        b.task(first, 0, message, there);
        b.task(first, 1, message, back);
        b.task(second, 0, message, back);
        b.task(second, 1, message, there);
    }
    const PlannedRun run{b.build(), b.costs, {}, {}};
    HostDevices devices(2);
    const MeasuredStep step = execute(run, devices);
    testing::expect_rendezvous_kept(b.program, step.timeline);
    EXPECT_EQ(devices.copied_bytes, 20U * 4000);
    EXPECT_EQ(devices.lanes(), 2U) << "what only sends has nothing to run";
}

TEST(DeviceRun, RunsEveryRepetitionOnTheSameBlocks) {
    ProgramBuilder b;
    const sim::RankId rank = b.rank({StreamKind::compute, StreamKind::compute});
    const sim::WorkId work = b.kernel(takes(2e-3));
    const sim::TaskId one = b.task(rank, 0, work);
    const sim::TaskId two = b.task(rank, 0, work, {one}, sim::kHostWaits);
    const sim::TaskId three = b.task(rank, 1, work, {two});
    sim::RankProgram& tasks = b.tasks(rank);
    tasks.static_bytes[0] = 1e6;
    tasks.memory = {{one, sim::MemoryKind::activations, 3e6},    {two, sim::MemoryKind::activations, 2e6},
                    {two, sim::MemoryKind::activations, -4e6},   {three, sim::MemoryKind::workspace, 3.5e6},
                    {three, sim::MemoryKind::workspace, -3.5e6}, {three, sim::MemoryKind::activations, -1e6}};
    const PlannedRun run{b.build(), b.costs, {}, {}};
    HostDevices devices(1);
    ExecuteOptions how = options();
    how.warm_up = 1;
    how.repeat = 4;
    const Execution execution = execute_on_devices({run}, how, devices);
    ASSERT_EQ(execution.steps.at(0).size(), 4U);
    for (const MeasuredStep& step : execution.steps[0]) {
        testing::expect_rules_kept(b.program, b.costs, step.timeline);
        EXPECT_EQ(step.peak_bytes.at(0), sim::measure_memory(b.program, step.timeline).peak_bytes);
    }
    EXPECT_EQ(devices.launched, 15U);
    EXPECT_LE(devices.memory(rank).allocations, 5);
    EXPECT_EQ(devices.memory(rank).held, 0U) << "all given back at the end";
}

TEST(DeviceRun, SaysWhichTaskHasNoMemoryBeforeAnythingRuns) {
    ProgramBuilder b;
    const sim::RankId rank = b.rank({StreamKind::compute});
    const sim::WorkId work = b.kernel(takes(0));
    b.task(rank, 0, work);
    const sim::TaskId large = b.task(rank, 0, work);
    b.tasks(rank).memory = {{large, sim::MemoryKind::activations, 2e6}};
    const PlannedRun run{b.build(), b.costs, {}, {}};
    HostDevices devices(1);
    devices.memory(rank).limit = 1000000;
    try {
        static_cast<void>(execute(run, devices));
        FAIL();
    } catch (const ExperimentError& error) {
        EXPECT_NE(std::string(error.what()).find("not enough memory: rank 0"), std::string::npos)
            << error.what();
    }
    EXPECT_EQ(devices.launched, 0U);
}

/// A rank computes, sends, and computes on; another receives and computes.
struct TwoStages {
    TwoStages() {
        const sim::RankId first = b.rank({StreamKind::compute, StreamKind::pp_send});
        const sim::RankId second = b.rank({StreamKind::compute, StreamKind::pp_recv});
        const sim::CommunicatorId pair = b.communicator({first, second}, "pp 0->1");
        forward = b.kernel(takes(1e-3));
        other = b.kernel(takes(1e-3));
        const sim::WorkId message = b.collective(CollectiveKind::send_recv, 400, {0, 1}, takes(0));
        const sim::TaskId made = b.task(first, 0, forward);
        b.task(first, 1, message, pair, {made});
        const sim::TaskId got = b.task(second, 1, message, pair);
        b.task(second, 0, other, {got});
        run = {b.build(), b.costs, {}, {}};
    }
    ProgramBuilder b;
    sim::WorkId forward;
    sim::WorkId other;
    PlannedRun run;
};

void expect_failure(const PlannedRun& run, HostDevices& devices, const std::vector<std::string>& words) {
    try {
        static_cast<void>(execute(run, devices, options(0.3)));
        FAIL() << "it ended";
    } catch (const ExperimentError& error) {
        for (const std::string& each : words)
            EXPECT_NE(std::string(error.what()).find(each), std::string::npos)
                << each << " in " << error.what();
    }
}

TEST(DeviceRun, NamesTheTasksInFlightWhereAKernelHangs) {
    const TwoStages two;
    HostDevices devices(2);
    devices.hangs_at = two.forward;
    expect_failure(two.run, devices,
                   {"nothing ended on rank 0 for 0.3 s; 2 of its 2 tasks are left",
                    "in flight: rank 0 (device 0), stream compute, task 0",
                    "in flight: rank 1 (device 1), stream pp-recv, task 0", "of pp 0->1"});
}

TEST(DeviceRun, EndsThoughAHostHangsInADevicesQueue) {
    // Never destroyed, as what a lost host uses must not be.
    static auto& two = *new TwoStages;
    static auto& devices = *new HostDevices(2);
    devices.blocks_at = two.other;
    EXPECT_THROW(static_cast<void>(execute(two.run, devices, options(0.2))), HostsLost);
    devices.unblock();
}

TEST(DeviceRun, NamesTheTasksInFlightWhereARendezvousNeverComes) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::RankId second = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::CommunicatorId there = b.communicator({first, second}, "there");
    const sim::CommunicatorId back = b.communicator({second, first}, "back");
    const sim::WorkId message = b.collective(CollectiveKind::send_recv, 8, {0, 1}, takes(0));
    const sim::TaskId got_back = b.task(first, 1, message, back);
    b.task(first, 0, message, there, {got_back});
    const sim::TaskId got_there = b.task(second, 1, message, there);
    b.task(second, 0, message, back, {got_there});
    HostDevices devices(2);
    const PlannedRun run{b.build(), b.costs, {}, {}};
    expect_failure(run, devices, {"in flight: rank 0", "in flight: rank 1", "stream pp-recv", "of back"});
}

TEST(DeviceRun, RefusesAPairThatBothSend) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::pp_send});
    const sim::RankId second = b.rank({StreamKind::pp_send});
    const sim::CommunicatorId pair = b.communicator({first, second}, "pp 0->1");
    const sim::WorkId message = b.collective(CollectiveKind::send_recv, 8, {0, 1}, takes(0));
    b.task(first, 0, message, pair);
    b.task(second, 0, message, pair);
    const PlannedRun run{b.build(), b.costs, {}, {}};
    HostDevices devices(2);
    expect_failure(run, devices, {"communicator 'pp 0->1': of a pair exactly one sends"});
}

TEST(DeviceRun, EndsWhenADeviceRefusesAndSaysItsWords) {
    const TwoStages two;
    HostDevices devices(2);
    devices.fails_at = two.other;
    try {
        static_cast<void>(execute(two.run, devices));
        FAIL();
    } catch (const ExperimentError& error) {
        EXPECT_STREQ(error.what(), "the device refuses it");
    }
}

TEST(DeviceRun, MeasuresMicrobenchmarksWithTheLateMembersPause) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::compute, StreamKind::tp});
    const sim::RankId second = b.rank({StreamKind::compute, StreamKind::tp});
    const sim::CommunicatorId both = b.communicator({first, second});
    const sim::WorkId work = b.kernel(takes(3e-3));
    const sim::WorkId sum = b.collective(CollectiveKind::all_reduce, 4e5, {0, 1}, takes(1));
    for (const sim::RankId rank : {first, second}) {
        const sim::TaskId one = b.task(rank, 0, work);
        b.task(rank, 1, sum, both, {one});
    }
    b.build();
    const PlannedRun benchmarks = microbenchmarks(b.program, b.costs, options());
    HostDevices devices(2);
    const Execution execution = execute_on_devices({benchmarks}, options(), devices);
    const sim::Timeline& timeline = execution.steps.at(0).at(0).timeline;
    int pauses = 0;
    for (std::size_t task = 0; task < benchmarks.program.rank_programs[0].size(); ++task) {
        if (benchmarks.program.rank_programs[0].work[task] != benchmarks.pause) continue;
        ++pauses;
        EXPECT_GE(timeline.end[task] - timeline.start[task], 2e-3 - 1e-9);
    }
    EXPECT_EQ(pauses, 9);
    const sim::WorkCosts costs = measured_costs(benchmarks, execution.steps.at(0), b.costs, options());
    EXPECT_GE(costs[work()].duration_s, 3e-3 - 1e-9);
    EXPECT_GT(costs[work()].launch_s, 0) << "what the host needs to issue it";
    EXPECT_LT(costs[sum()].duration_s, 0.5) << "what it took, not what it was said to take";
    EXPECT_GE(costs[work()].issue_to_end_s, costs[work()].duration_s);
}

}  // namespace
}  // namespace orrery::profiler
