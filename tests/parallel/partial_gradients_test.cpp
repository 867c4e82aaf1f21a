// Gradients of weights that every tensor-parallel rank holds whole, of which each computes a summand: one
// all-reduce of them a step.
#include <gtest/gtest.h>

#include "parallel/pipeline_shape.hpp"
#include "random_lowering.hpp"

namespace orrery::parallel {
namespace {

Lowered lowered(const models::TransformerShape& shape, Plan plan) {
    plan.schedule = "1f1b";
    plan.parallel.pp = 2;
    plan.training.global_batch = 4 * plan.parallel.dp;
    const models::Model model = models::build_transformer(shape);
    const models::Software software = models::load_software("megatron-core");
    return lower(model, plan, software, make_plan_schedule(plan), {true, false});
}

/// Bytes that each pipeline device sums over its tensor-parallel group, in its only such operation.
std::vector<double> summed_bytes(const sim::Program& program) {
    std::vector<double> bytes;
    for (const sim::RankProgram& tasks : program.rank_programs) {
        double sum = 0;
        int operations = 0;
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (program.names[static_cast<std::size_t>(tasks.label[t].name)] !=
                "gradients of undivided weights")
                continue;
            ++operations;
            EXPECT_EQ(tasks.streams[tasks.stream[t]()].kind, sim::StreamKind::tp);
            sum = std::get<sim::Collective>(program.works[tasks.work[t]()]).bytes;
        }
        EXPECT_LE(operations, 1);
        bytes.push_back(sum);
    }
    return bytes;
}

Plan tensor_parallel(bool sequence_parallel) {
    Plan plan;
    plan.parallel.tp = 2;
    plan.parallel.sequence_parallel = sequence_parallel;
    return plan;
}

// Of GPT, hidden 64, sequence 32, in fp32: two layer norms of weight and bias a block; positions with the
// embedding, the last norm with the head.
TEST(PartialGradients, OfNormsAndPositionsUnderSequenceParallelism) {
    const double block = 2 * 2 * 64;
    const std::vector<double> bytes =
        summed_bytes(lowered(tiny_shape(4, false), tensor_parallel(true)).program);
    EXPECT_EQ(bytes, (std::vector<double>{4 * (2 * block + 32 * 64), 4 * (2 * block + 2 * 64)}));
}

TEST(PartialGradients, NoneWithoutSequenceParallelismWhereRanksComputeTheSame) {
    EXPECT_EQ(summed_bytes(lowered(tiny_shape(4, false), tensor_parallel(false)).program),
              (std::vector<double>{0, 0}));
    EXPECT_EQ(summed_bytes(lowered(tiny_shape(4, true), Plan{}).program), (std::vector<double>{0, 0}));
}

// Each rank has its own heads, however the sequence lies: a weight for queries and one for keys, of size 16.
TEST(PartialGradients, OfTheNormsOfQueriesAndKeysAlways) {
    models::TransformerShape shape = tiny_shape(4, true);
    shape.qk_norm = true;
    const std::vector<double> bytes = summed_bytes(lowered(shape, tensor_parallel(false)).program);
    EXPECT_EQ(bytes, (std::vector<double>{4 * 2 * 2 * 16, 4 * 2 * 2 * 16}));
}

TEST(PartialGradients, OfTheShareThatARankKeepsWhereWeightsAreSharded) {
    Plan plan = tensor_parallel(true);
    plan.parallel.dp = 2;
    plan.parallel.sharding = DataSharding::full;
    const std::vector<double> whole =
        summed_bytes(lowered(tiny_shape(4, false), tensor_parallel(true)).program);
    const std::vector<double> share = summed_bytes(lowered(tiny_shape(4, false), plan).program);
    ASSERT_EQ(share.size(), 2U);
    for (std::size_t device = 0; device < 2; ++device) EXPECT_EQ(share[device], whole[device] / 2);
}

/// Sums of the parameters' gradients that a device reduces over its data-parallel group, by name.
double reduced_bytes(const sim::Program& program, std::size_t device, const std::string& name) {
    const sim::RankProgram& tasks = program.rank_programs[device];
    double bytes = 0;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        const auto* work = std::get_if<sim::Collective>(&program.works[tasks.work[t]()]);
        if (work != nullptr && work->kind == sim::CollectiveKind::reduce_scatter &&
            program.names[static_cast<std::size_t>(tasks.label[t].name)] == name)
            bytes += work->bytes;
    }
    return bytes;
}

// A device with both ends of a V: each of four micro-batches' head gradients is reduced, and each of its
// embedding's.
TEST(ShardedRoots, OfBothEndsAreReducedMicroBatchByMicroBatch) {
    models::TransformerShape shape = tiny_shape(4, true);
    Plan plan;
    plan.schedule = "zb-v";
    plan.parallel.pp = 2;
    plan.parallel.vpp = 2;
    plan.parallel.dp = 2;
    plan.parallel.sharding = DataSharding::full;
    plan.training.global_batch = 8;
    const models::Model model = models::build_transformer(shape);
    const Lowered both =
        lower(model, plan, models::load_software("megatron-core"), make_plan_schedule(plan), {});
    const double embedding = 128 * 64;  // words, padded to 128
    const double head = 128 * 64 + 64;
    EXPECT_EQ(reduced_bytes(both.program, 0, "root gradient reduction"), 4 * 4 * (embedding + head));
    EXPECT_EQ(reduced_bytes(both.program, 1, "root gradient reduction"), 0);
}

}  // namespace
}  // namespace orrery::parallel
