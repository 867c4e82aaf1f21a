// The kernels' times are the breakdown's compute and optimizer time, whatever the program and whatever slowed
// them.
#include "sim/metrics/kernel_use.hpp"

#include <gtest/gtest.h>

#include "sim/engine/engine.hpp"
#include "sim/metrics/metrics.hpp"
#include "tests/sim/random_program.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::RandomProgram;
using testing::RandomShape;
using testing::takes;

Kernel memory_kernel(MemoryFamily family, double bytes) {
    Kernel kernel;
    kernel.family = family;
    kernel.bytes = bytes;
    return kernel;
}

Kernel product(double flops) {
    Kernel kernel;
    kernel.kind = KernelKind::gemm;
    kernel.flops = flops;
    return kernel;
}

const KernelUse* find(const std::vector<KernelUse>& uses, const std::string& family, KernelPhase phase) {
    for (const KernelUse& use : uses)
        if (use.family == family && use.phase == phase) return &use;
    return nullptr;
}

TEST(KernelUse, DividesASequenceAsItsPricesDo) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId work = builder.kernel(takes(12));
    const TaskId forward = builder.task(rank, 0, work);
    const TaskId backward = builder.task(rank, 0, work);
    const TaskId update = builder.task(rank, 0, work);
    builder.tasks(rank).label[forward()].phase = Phase::forward;
    builder.tasks(rank).label[backward()].phase = Phase::backward_weight;
    builder.tasks(rank).label[update()].phase = Phase::optimizer;
    builder.build();
    builder.program.works[work()] = KernelSequence{{product(600), memory_kernel(MemoryFamily::softmax, 30)}};
    const Timeline timeline = replay(builder.program, builder.costs);
    const auto price = [](const Kernel& kernel) { return kernel.kind == KernelKind::gemm ? 3.0 : 1.0; };
    const auto uses = measure_kernels(builder.program, timeline, builder.costs, rank, price);
    ASSERT_EQ(uses.size(), 6u);
    for (const KernelPhase phase : {KernelPhase::forward, KernelPhase::backward, KernelPhase::optimizer}) {
        const KernelUse* gemm = find(uses, "gemm", phase);
        const KernelUse* softmax = find(uses, "softmax", phase);
        ASSERT_TRUE(gemm != nullptr && softmax != nullptr);
        EXPECT_DOUBLE_EQ(gemm->seconds, 9);
        EXPECT_EQ(gemm->flops, 600);
        EXPECT_EQ(gemm->bytes, 0);
        EXPECT_DOUBLE_EQ(softmax->seconds, 3);
        EXPECT_EQ(softmax->bytes, 30);
        EXPECT_EQ(softmax->kernels, 1u);
    }
    EXPECT_GE(uses.front().seconds, uses.back().seconds);
}

TEST(KernelUse, CountsOnlyTheWindow) {
    ProgramBuilder builder;
    const RankId rank = builder.rank({StreamKind::compute});
    const WorkId work = builder.kernel(takes(4));
    for (int i = 0; i < 5; ++i) builder.task(rank, 0, work);
    builder.build();
    builder.program.works[work()] = KernelSequence{{product(10)}};
    const Timeline timeline = replay(builder.program, builder.costs);
    const auto uses = measure_kernels(
        builder.program, timeline, builder.costs, rank, [](const Kernel&) { return 1.0; }, StepWindow{2, 14});
    ASSERT_EQ(uses.size(), 1u);
    EXPECT_DOUBLE_EQ(uses[0].seconds, 12);
    EXPECT_EQ(uses[0].kernels, 3u);  // begun at 4, 8 and 12
}

TEST(KernelUse, AddsUpToTheBreakdownOfRandomPrograms) {
    for (unsigned seed = 0; seed < 100; ++seed) {
        RandomShape shape;
        RandomProgram random(seed, shape);
        ProgramBuilder& builder = random.builder;
        std::mt19937 dice(seed);
        for (RankProgram& tasks : builder.program.rank_programs)
            for (TaskLabel& label : tasks.label) label.phase = static_cast<Phase>(dice() % 8);
        for (Work& work : builder.program.works) {
            auto* sequence = std::get_if<KernelSequence>(&work);
            if (sequence == nullptr) continue;
            for (unsigned k = 0; k < 1 + dice() % 3; ++k)
                sequence->kernels.push_back(
                    dice() % 2 == 0 ? product(dice() % 9) : memory_kernel(MemoryFamily::gather, dice() % 9));
        }
        const Timeline timeline = replay(builder.program, builder.costs);
        const Metrics metrics = measure(builder.program, timeline, builder.costs);
        const auto price = [](const Kernel& kernel) { return kernel.flops + kernel.bytes; };
        for (const RankMetrics& rank : metrics.per_rank) {
            double seconds = 0;
            for (const KernelUse& use :
                 measure_kernels(builder.program, timeline, builder.costs, rank.rank, price))
                seconds += use.seconds;
            EXPECT_NEAR(seconds, rank.step.compute_s + rank.step.optimizer_s, 1e-9) << seed;
        }
    }
}

}  // namespace
}  // namespace orrery::sim
