// Breakdowns against hand-counted examples and closed forms; on random programs they cover the step exactly
// once.
#include "sim/metrics/metrics.hpp"

#include <gtest/gtest.h>

#include "bench/program_sample.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/gap.hpp"
#include "tests/sim/program_builder.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::sim {
namespace {

using testing::launched;
using testing::ProgramBuilder;
using testing::RandomProgram;
using testing::RandomShape;
using testing::takes;

Metrics measure(ProgramBuilder& builder) {
    const Program& program = builder.build();
    return sim::measure(program, replay(program, builder.costs), builder.costs);
}

TEST(Metrics, CountsExposedCommunicationByStream) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::tp, StreamKind::dp});
    const CommunicatorId tp = builder.communicator({rank}, "tp");
    const CommunicatorId dp = builder.communicator({rank}, "dp");
    const WorkId kernel = builder.kernel(takes(10));
    const WorkId reduce = builder.collective(CollectiveKind::all_reduce, 8, {0}, takes(3));
    const WorkId gradients = builder.collective(CollectiveKind::reduce_scatter, 8, {0}, takes(14));
    const TaskId a = builder.task(rank, 0, kernel);
    const TaskId b = builder.task(rank, 1, reduce, tp, {a});
    const TaskId c = builder.task(rank, 0, kernel, {b});
    const TaskId d = builder.task(rank, 2, gradients, dp, {b});
    const TaskId e = builder.task(rank, 0, kernel, {c, d});
    builder.tasks(rank).label[e()].phase = Phase::optimizer;
    const Metrics metrics = measure(builder);
    EXPECT_EQ(metrics.step_time_s, 10 + 3 + 14 + 10);
    EXPECT_EQ(metrics.breakdown.compute_s, 20);
    EXPECT_EQ(metrics.breakdown.exposed_comm_s.tp, 3);
    EXPECT_EQ(metrics.breakdown.exposed_comm_s.dp, 4);
    EXPECT_EQ(metrics.breakdown.optimizer_s, 10);
    EXPECT_EQ(metrics.breakdown.bubble_s, 0);
    EXPECT_EQ(metrics.breakdown.total(), metrics.step_time_s);
}

TEST(Metrics, FollowsAGapThroughAChainOfCollectives) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute, StreamKind::ep, StreamKind::cp});
    const CommunicatorId ep = builder.communicator({rank});
    const CommunicatorId cp = builder.communicator({rank});
    const WorkId kernel = builder.kernel(takes(10));
    const TaskId a = builder.task(rank, 0, kernel);
    const TaskId b =
        builder.task(rank, 1, builder.collective(CollectiveKind::all_to_all, 8, {0}, takes(5)), ep, {a});
    const TaskId c =
        builder.task(rank, 2, builder.collective(CollectiveKind::all_gather, 8, {0}, takes(2)), cp, {b});
    builder.task(rank, 0, kernel, {c});
    const Metrics metrics = measure(builder);
    EXPECT_EQ(metrics.breakdown.exposed_comm_s.ep, 5);
    EXPECT_EQ(metrics.breakdown.exposed_comm_s.cp, 2);
    EXPECT_EQ(metrics.breakdown.total(), 27);
}

TEST(Metrics, WaitingForALateMemberIsBubbleAndTheTransferIsExposed) {
    ProgramBuilder builder;
    const RankId early = builder.rank({StreamKind::compute, StreamKind::pp_recv});
    const RankId late = builder.rank({StreamKind::compute, StreamKind::pp_send});
    const CommunicatorId pair = builder.communicator({late, early}, "pp");
    const WorkId send = builder.collective(CollectiveKind::send_recv, 8, {1, 0}, takes(2));
    const TaskId sent = builder.task(late, 0, builder.kernel(takes(10)));
    builder.task(late, 1, send, pair, {sent});
    const TaskId received = builder.task(early, 1, send, pair);
    builder.task(early, 0, builder.kernel(takes(5)), {received});
    const Metrics metrics = measure(builder);
    const Breakdown& first = metrics.per_rank[early()].step;
    EXPECT_EQ(first.bubble_s, 10);
    EXPECT_EQ(first.exposed_comm_s.pp, 2);
    EXPECT_EQ(first.compute_s, 5);
    const Breakdown& second = metrics.per_rank[late()].step;
    EXPECT_EQ(second.compute_s, 10);
    EXPECT_EQ(second.exposed_comm_s.pp, 2);  // its send was still under way
    EXPECT_EQ(second.bubble_s, 5);
    EXPECT_EQ(metrics.busiest, late);
}

TEST(Metrics, LaunchesThatTheDeviceWaitsForAreHostTime) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId work = builder.kernel(launched(5, 2));
    for (int i = 0; i < 4; ++i) builder.task(rank, 0, work);
    const Metrics metrics = measure(builder);
    EXPECT_EQ(metrics.step_time_s, 4 * 5 + 2);
    EXPECT_EQ(metrics.breakdown.compute_s, 8);
    EXPECT_EQ(metrics.breakdown.host_s, 14);
    EXPECT_EQ(metrics.bubble_ratio, 0);
}

TEST(Metrics, CoverEveryMomentOfTheStepOnce) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        RandomShape shape;
        shape.shuffle = seed % 2 == 0;
        shape.host_waits = seed % 2 == 1;
        const RandomProgram random(seed, shape);
        const Program& program = random.builder.program;
        const Timeline timeline = replay(program, random.builder.costs);
        const Metrics metrics = sim::measure(program, timeline, random.builder.costs);
        for (const RankMetrics& rank : metrics.per_rank)
            EXPECT_EQ(rank.step.total(), metrics.step_time_s) << seed;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const PreparedTasks traced = trace(program.rank_programs[r], program.works);
            const std::size_t tasks = program.rank_programs[r].size();
            const RankTrace times(traced, random.builder.costs,
                                  std::span(timeline.start).subspan(program.first_task[r], tasks),
                                  std::span(timeline.end).subspan(program.first_task[r], tasks));
            std::vector<Stretch> stretches;
            times.cover(0, timeline.makespan(),
                        [&](const Stretch& stretch) { stretches.push_back(stretch); });
            std::sort(stretches.begin(), stretches.end(),
                      [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
            double covered = 0;
            for (const Stretch& stretch : stretches) {
                EXPECT_EQ(stretch.begin, covered) << seed;
                covered = stretch.end;
            }
            EXPECT_EQ(covered, timeline.makespan()) << seed;
        }
    }
}

/// 1F1B with forwards of 1 and backwards of 2 (in units of the micro-batch), free communication.
bench::Sample free_pipeline(int stages, int micro_batches) {
    bench::PipelineSample shape;
    shape.pipeline = stages;
    shape.tensor = 1;
    shape.data = 1;
    shape.micro_batches = micro_batches;
    shape.layers = 1;
    shape.forward_kernels = 2;
    shape.backward_kernels = 4;
    bench::Sample sample = bench::make_pipeline_sample(shape);
    for (std::size_t w = 0; w < sample.costs.size(); ++w)
        sample.costs[w] = takes(w < bench::sample::kTensorCollective ? 1 : 0);
    return sample;
}

TEST(Metrics, OneFOneBHasTheBubbleOfTheClosedForm) {
    for (const int p : {1, 2, 3, 4, 8, 16})
        for (const int m : {1, 2, 8, 32}) {
            const bench::Sample sample = free_pipeline(p, m);
            const Metrics metrics =
                sim::measure(sample.program, replay(sample.program, sample.costs), sample.costs);
            EXPECT_NEAR(metrics.bubble_ratio, (p - 1.0) / (m + p - 1.0), 1e-12) << p << " " << m;
            EXPECT_NEAR(metrics.bubble_ratio_span, (p - 1.0) / (m + p - 1.0), 1e-12) << p << " " << m;
            EXPECT_NEAR(metrics.bubble_overhead, (p - 1.0) / m, 1e-12) << p << " " << m;
            EXPECT_EQ(metrics.per_stage.size(), static_cast<std::size_t>(p));
        }
}

TEST(Metrics, AveragesStagesOverTheRealRanks) {
    ProgramBuilder builder;
    const RankId one = builder.rank({StreamKind::compute});
    const RankId three = builder.rank({StreamKind::compute});
    builder.program.ranks[three()].multiplicity = 3;
    builder.task(one, 0, builder.kernel(takes(8)));
    builder.task(three, 0, builder.kernel(takes(4)));
    const Metrics metrics = measure(builder);
    EXPECT_EQ(metrics.gpus, 4U);
    ASSERT_EQ(metrics.per_stage.size(), 1U);
    EXPECT_EQ(metrics.per_stage[0].gpus, 4U);
    EXPECT_EQ(metrics.per_stage[0].mean.compute_s, 5);
    EXPECT_EQ(metrics.per_stage[0].mean.bubble_s, 3);
    EXPECT_EQ(metrics.per_stage[0].most_compute_s, 8);
}

TEST(Metrics, AnEmptyProgramHasNone) {
    ProgramBuilder builder;
    EXPECT_EQ(measure(builder).step_time_s, 0);
    builder.rank({StreamKind::compute});
    EXPECT_EQ(measure(builder).bubble_ratio, 0);
}

TEST(Metrics, UtilizationIsFlopsOverWhatTheGpusCould) {
    EXPECT_DOUBLE_EQ(flops_utilization(312e12 * 4, 2, 4, 312e12), 0.5);
    EXPECT_EQ(flops_utilization(1, 0, 4, 312e12), 0);
}

}  // namespace
}  // namespace orrery::sim
