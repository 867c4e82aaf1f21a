// A rank's run, the memory it takes and the files between processes, without MPI: ranks are threads.
#include <gtest/gtest.h>

#include <exception>
#include <thread>

#include "core/error.hpp"
#include "profiler/execute/job.hpp"
#include "profiler/execute/microbenchmarks.hpp"
#include "profiler/execute/rank_memory.hpp"
#include "profiler/execute/rank_process.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "tests/profiler/timeline_rules.hpp"
#include "tests/sim/random_program.hpp"
#include "thread_transport.hpp"

namespace orrery::profiler {
namespace {

using sim::StreamKind;
using sim::testing::ProgramBuilder;
using sim::testing::RandomProgram;
using sim::testing::takes;

/// Executes with one thread a rank; throws what the first failing rank threw.
Execution execute(const Job& job) {
    const int ranks = static_cast<int>(job.runs.front().program.ranks.size());
    testing::Exchange exchange;
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
    Execution execution;
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
        threads.emplace_back([&, rank] {
            testing::ThreadTransport transport(exchange, rank, ranks);
            try {
                Execution mine = execute_rank(job, transport);
                if (rank == 0) execution = std::move(mine);
            } catch (...) {
                failures[static_cast<std::size_t>(rank)] = std::current_exception();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
    return execution;
}

Job emulated(const sim::Program& program, const sim::WorkCosts& costs, bool communication = true) {
    Job job;
    job.runs.push_back({program, costs, {}, {}});
    job.options.emulate_compute = true;
    job.options.emulate_communication = communication;
    job.options.timeout_s = 20;
    return job;
}

/// A random program whose times are tenths of milliseconds.
struct Sample {
    explicit Sample(unsigned seed) : random(seed, shape()), costs(random.builder.costs) {
        for (sim::WorkCost& cost : costs) {
            cost.duration_s *= 1e-4;
            cost.launch_s *= 1e-4;
            cost.issue_to_end_s *= 1e-4;
        }
    }
    static sim::testing::RandomShape shape() {
        sim::testing::RandomShape shape;
        shape.steps = 20;
        return shape;
    }
    [[nodiscard]] const sim::Program& program() const { return random.builder.program; }

    RandomProgram random;
    sim::WorkCosts costs;
};

TEST(RankRun, KeepsTheRulesAndIsNeverFasterThanTheReplay) {
    for (unsigned seed = 0; seed < 12; ++seed) {
        const Sample sample(seed);
        const sim::Timeline predicted = sim::replay(sample.program(), sample.costs);
        const Execution execution = execute(emulated(sample.program(), sample.costs));
        const sim::Timeline& measured = execution.steps.at(0).at(0).timeline;
        testing::expect_rules_kept(sample.program(), sample.costs, measured);
        for (std::size_t task = 0; task < predicted.end.size(); ++task) {
            ASSERT_GE(measured.start[task], predicted.start[task] - 1e-7)
                << "seed " << seed << " task " << task;
            ASSERT_GE(measured.end[task], predicted.end[task] - 1e-7) << "seed " << seed << " task " << task;
        }
    }
}

/// One rank has nothing real to wait for: the emulated device keeps the replay's time to the nanosecond.
TEST(RankRun, OfOneRankEmulatesExactlyTheReplay) {
    for (unsigned seed = 0; seed < 8; ++seed) {
        sim::testing::RandomShape shape = Sample::shape();
        shape.most_ranks = 1;
        shape.communicators = false;
        RandomProgram random(seed, shape);
        sim::WorkCosts costs = random.builder.costs;
        for (sim::WorkCost& cost : costs)
            cost = {cost.duration_s * 1e-4, cost.launch_s * 1e-4, cost.issue_to_end_s * 1e-4};
        const sim::Timeline predicted = sim::replay(random.builder.program, costs);
        const Execution execution = execute(emulated(random.builder.program, costs));
        const sim::Timeline& measured = execution.steps.at(0).at(0).timeline;
        for (std::size_t task = 0; task < predicted.end.size(); ++task)
            ASSERT_NEAR(measured.end[task], predicted.end[task], 1e-9) << "seed " << seed << " task " << task;
    }
}

TEST(RankRun, RunsEveryRepetitionAndAddsWhatIsAdded) {
    ProgramBuilder b;
    const sim::RankId rank = b.rank({StreamKind::compute});
    const sim::WorkId work = b.kernel(takes(2e-3));
    b.task(rank, 0, work);
    b.task(rank, 0, work);
    Job job = emulated(b.build(), b.costs);
    job.runs.front().added_s = {0, 3e-3};
    job.options.repeat = 4;
    job.options.warm_up = 1;
    const Execution execution = execute(job);
    ASSERT_EQ(execution.steps.at(0).size(), 4U);
    for (const MeasuredStep& step : execution.steps[0]) {
        EXPECT_NEAR(step.timeline.end[0], 2e-3, 1e-9);
        EXPECT_NEAR(step.timeline.end[1], 7e-3, 1e-9);
    }
}

TEST(RankRun, TellsWhichTasksAreInFlightWhereARendezvousNeverComes) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::RankId second = b.rank({StreamKind::pp_send, StreamKind::pp_recv});
    const sim::CommunicatorId there = b.communicator({first, second}, "there");
    const sim::CommunicatorId back = b.communicator({second, first}, "back");
    const sim::WorkId message = b.collective(sim::CollectiveKind::send_recv, 8, {0, 1}, takes(1e-3));
    // Each receives before it sends.
    const sim::TaskId got_back = b.task(first, 1, message, back);
    b.task(first, 0, message, there, {got_back});
    const sim::TaskId got_there = b.task(second, 1, message, there);
    b.task(second, 0, message, back, {got_there});
    Job job = emulated(b.build(), b.costs);
    job.options.timeout_s = 0.3;
    try {
        static_cast<void>(execute(job));
        FAIL() << "a deadlock ended";
    } catch (const ExperimentError& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find("nothing ended on rank"), std::string::npos) << text;
        EXPECT_NE(text.find("in flight: rank"), std::string::npos) << text;
        EXPECT_NE(text.find("stream pp-recv"), std::string::npos) << text;
    }
}

TEST(RankRun, ReallyTakesAndGivesBackTheProgramsMemory) {
    for (const bool real : {false, true}) {
        ProgramBuilder b;
        const sim::RankId rank = b.rank({StreamKind::compute, StreamKind::compute});
        const sim::WorkId work = b.kernel(takes(1e-3));
        const sim::TaskId one = b.task(rank, 0, work);
        const sim::TaskId two = b.task(rank, 0, work, {one});
        const sim::TaskId three = b.task(rank, 1, work, {two});
        sim::RankProgram& tasks = b.tasks(rank);
        tasks.static_bytes[0] = 1e6;
        tasks.memory = {
            {one, sim::MemoryKind::activations, 3e6},    {two, sim::MemoryKind::activations, 2e6},
            {two, sim::MemoryKind::activations, -4e6},   {three, sim::MemoryKind::workspace, 3.5e6},
            {three, sim::MemoryKind::workspace, -3.5e6}, {three, sim::MemoryKind::activations, -1e6}};
        Job job = emulated(b.build(), b.costs, !real);
        job.options.emulate_compute = !real;
        job.options.repeat = 2;
        const Execution execution = execute(job);
        SCOPED_TRACE(real ? "real kernels" : "emulated kernels");
        for (const MeasuredStep& step : execution.steps.at(0)) {
            EXPECT_EQ(step.peak_bytes.at(0), sim::measure_memory(b.program, step.timeline).peak_bytes);
            EXPECT_EQ(step.peak_bytes.at(0), 6e6);
        }
    }
}

TEST(RankRun, RunsRealKernelsInOrderAndRefusesWhatTheCpuLacks) {
    ProgramBuilder b;
    const sim::RankId rank = b.rank({StreamKind::compute, StreamKind::copy_out});
    Kernel gemm;
    gemm.kind = KernelKind::gemm;
    gemm.precision = gemm.output = Precision::fp32;
    gemm.m = gemm.n = gemm.k = 96;
    gemm.flops = 2.0 * 96 * 96 * 96;
    const sim::WorkId product = b.kernel(takes(0));
    b.program.works[product()] = sim::KernelSequence{{gemm, gemm}};
    b.program.works.emplace_back(sim::Copy{1e6, true});
    b.costs.push_back({});
    const sim::WorkId copy(b.program.works.size() - 1);
    const sim::TaskId first = b.task(rank, 0, product);
    const sim::TaskId moved = b.task(rank, 1, copy, {first});
    b.task(rank, 0, product, {moved}, sim::kHostWaits);
    b.task(rank, 0, product);
    Job job = emulated(b.build(), b.costs, false);
    job.options.emulate_compute = false;
    const Execution execution = execute(job);
    const sim::Timeline& timeline = execution.steps.at(0).at(0).timeline;
    testing::expect_rules_kept(b.program, b.costs, timeline);
    for (std::size_t task = 0; task < 4; ++task) EXPECT_GT(timeline.end[task], timeline.start[task]);

    std::get<sim::KernelSequence>(job.runs[0].program.works[product()]).kernels[1].precision =
        Precision::bf16;
    EXPECT_THROW(static_cast<void>(execute(job)), ExperimentError);
}

TEST(Microbenchmarks, MeasureEachWorkApartFromTheProgram) {
    ProgramBuilder b;
    const sim::RankId first = b.rank({StreamKind::compute, StreamKind::tp});
    const sim::RankId second = b.rank({StreamKind::compute, StreamKind::tp});
    const sim::CommunicatorId both = b.communicator({first, second});
    const sim::WorkId work = b.kernel(takes(5e-3));
    const sim::WorkId sum = b.collective(sim::CollectiveKind::all_reduce, 1e6, {0, 1}, takes(4e-3));
    for (const sim::RankId rank : {first, second}) {
        const sim::TaskId one = b.task(rank, 0, work);
        b.task(rank, 1, sum, both, {one});
    }
    Job job = emulated(b.build(), b.costs);
    const PlannedRun benchmarks = microbenchmarks(b.program, b.costs, job.options);
    ASSERT_NO_THROW(sim::validate(benchmarks.program));
    job.runs = {benchmarks};
    const Execution execution = execute(job);
    const sim::WorkCosts costs = measured_costs(benchmarks, execution.steps.at(0), b.costs, job.options);
    ASSERT_EQ(costs.size(), b.costs.size());
    EXPECT_EQ(costs[work()].duration_s, 5e-3) << "an emulated kernel keeps its cost";
    // Two readings of a clock, in seconds since the machine started, are apart to 1e-12 s or so.
    EXPECT_GE(costs[sum()].duration_s, 4e-3 - 1e-9) << "held for its cost, and what the processes added";
    EXPECT_EQ(costs[sum()].issue_to_end_s, costs[sum()].duration_s);
}

TEST(Job, IsTheSameAfterItsWayThroughAFile) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        const Sample sample(seed);
        Job job = emulated(sample.program(), sample.costs);
        job.runs.front().added_s.assign(sample.program().tasks(), 0.25);
        job.runs.push_back(job.runs.front());
        const std::string bytes = to_bytes(job);
        const Job back = job_from(bytes);
        EXPECT_EQ(to_bytes(back), bytes);
        ASSERT_NO_THROW(sim::validate(back.runs.at(1).program));
        EXPECT_EQ(back.runs[1].program.tasks(), sample.program().tasks());
        EXPECT_EQ(back.runs[1].program.names, sample.program().names);
        for (std::size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 50)
            EXPECT_THROW(job_from(std::string_view(bytes).substr(0, length)), std::runtime_error);
    }
}

TEST(Job, RefusesFoldedProgramsAndDifferentNumbersOfRanks) {
    ProgramBuilder one;
    one.task(one.rank({StreamKind::compute}), 0, one.kernel(takes(1)));
    ProgramBuilder two;
    for (int i = 0; i < 2; ++i) two.task(two.rank({StreamKind::compute}), 0, two.kernel(takes(1)));
    std::vector<PlannedRun> runs{{one.build(), one.costs, {}, {}}};
    EXPECT_EQ(ranks_of(runs), 1);
    runs.push_back({two.build(), two.costs, {}, {}});
    EXPECT_THROW(static_cast<void>(ranks_of(runs)), ExperimentError);
    runs.pop_back();
    runs.front().program.ranks.front().multiplicity = 2;
    EXPECT_THROW(static_cast<void>(ranks_of(runs)), ExperimentError);
}

TEST(RankMemory, GivesBackBlocksOfThatSizeOrTheMostRecentInPart) {
    HostPages pages(true);
    RankMemory memory(pages);
    memory.take(0, 10'000);
    memory.take(0, 20'000);
    memory.take(1, 5'000);
    memory.give(0, 10'000);
    EXPECT_EQ(memory.held(), 25'000);
    memory.give(0, 5'000);
    memory.give(0, 15'000);
    memory.give(1, 5'000);
    EXPECT_EQ(memory.held(), 0);
    EXPECT_EQ(memory.peak(), 35'000);
    memory.begin_step();
    EXPECT_EQ(memory.peak(), 0);
    memory.give(0, 1);  // nothing left: stays at nothing
    EXPECT_EQ(memory.held(), 0);
}

TEST(RankMemory, ReservesMoreThanTheMachineHasButNotMoreThanAddresses) {
    HostPages pages(false);
    RankMemory memory(pages);
    memory.take(0, 1e12);
    EXPECT_EQ(memory.held(), 1e12);
    EXPECT_THROW(memory.take(0, 1e18), std::bad_alloc);
}

}  // namespace
}  // namespace orrery::profiler
