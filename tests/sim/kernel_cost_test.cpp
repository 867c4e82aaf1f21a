#include "sim/cost/kernel_cost.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "sim/cost/attention_cost.hpp"

namespace orrery::sim {
namespace {

Kernel attention(std::int64_t sequence, bool causal, bool backward = false, std::int64_t heads = 16) {
    Kernel kernel;
    kernel.kind = KernelKind::attention;
    kernel.m = kernel.n = sequence;
    kernel.heads = kernel.kv_heads = heads;
    kernel.k = 128;
    kernel.causal = causal;
    kernel.backward = backward;
    return kernel;
}

const Calibration& a100() {
    static const Calibration calibration = load_calibration("a100-sxm-80g");
    return calibration;
}

topologies::Gpu a100_gpu() {
    topologies::Gpu gpu;
    gpu.name = "a100-sxm-80g";
    gpu.memory_bandwidth = 2.039e12;
    gpu.multiprocessors = 108;
    gpu.peak_flops = {{"bf16", 312e12}, {"fp16", 312e12}, {"tf32", 156e12}, {"fp32", 19.5e12}};
    return gpu;
}

TEST(AttentionCost, LongSequencesRunAtTheModelsEfficiency) {
    AttentionModel model;
    model.efficiency = 0.5;
    model.overhead = 100;
    const GemmDevice device{312e12, 2e12, 108};
    const Kernel kernel = attention(1 << 20, false);
    EXPECT_NEAR(attention_time(kernel, model, device), attention_flops(kernel) / 156e12,
                2e-3 * attention_flops(kernel) / 156e12);
}

TEST(AttentionCost, CausalTakesHalfOnLongSequencesAndMoreThanHalfOnShortOnes) {
    AttentionModel model;
    model.efficiency = 0.5;
    model.overhead = 100;
    model.diagonal = 64;
    const GemmDevice device{312e12, 2e12, 108};
    const auto ratio = [&](std::int64_t s) {
        return attention_time(attention(s, true), model, device) /
               attention_time(attention(s, false), model, device);
    };
    EXPECT_NEAR(ratio(1 << 19), 0.5, 0.01);
    EXPECT_GT(ratio(2048), 0.53);
}

TEST(AttentionCost, FewHeadsLeaveTheGpuPartlyIdle) {
    const topologies::Gpu gpu = a100_gpu();
    const double four = kernel_time(attention(4096, true, false, 4), a100(), gpu);
    const double sixty_four = kernel_time(attention(4096, true, false, 64), a100(), gpu);
    EXPECT_LT(sixty_four, 9 * four);  // not 16 times
}

TEST(AttentionCost, HeadSizesBetweenFittedOnesAreInterpolatedAndOtherImplementationsFlagged) {
    Kernel kernel = attention(2048, true);
    kernel.k = 96;
    const KernelPrice between = price_kernel(kernel, a100(), a100_gpu());
    EXPECT_FALSE(between.extrapolated) << between.why;
    kernel.k = 64;
    EXPECT_LT(price_kernel(kernel, a100(), a100_gpu()).device_s, between.device_s);
    kernel.attention = AttentionImplementation::flash3;
    EXPECT_TRUE(price_kernel(kernel, a100(), a100_gpu()).extrapolated);
}

TEST(KernelCost, AMemoryBoundKernelIsAStartAndItsBytes) {
    Kernel kernel;
    kernel.bytes = 1e9;
    const MemoryModel& model = a100().memory[0];
    EXPECT_DOUBLE_EQ(kernel_time(kernel, a100(), a100_gpu()),
                     model.fixed_s + 1e9 / (model.bandwidth * 2.039e12));
}

TEST(KernelCost, Fp8OnAnA100IsFlagged) {
    Kernel kernel;
    kernel.kind = KernelKind::gemm;
    kernel.m = kernel.n = kernel.k = 4096;
    kernel.precision = Precision::fp8;
    EXPECT_TRUE(price_kernel(kernel, a100(), a100_gpu()).extrapolated);
    kernel.precision = Precision::fp16;
    EXPECT_FALSE(price_kernel(kernel, a100(), a100_gpu()).extrapolated);
}

TEST(KernelCost, ASequenceOfShortKernelsIsBoundByTheHost) {
    Kernel small;
    small.bytes = 1e3;
    small.host_operations = 2;
    const KernelSequence sequence{std::vector<Kernel>(10, small)};
    const WorkCost cost = price_sequence(sequence, a100(), a100_gpu());
    const double host = 10 * host_time(small, a100());
    EXPECT_NEAR(cost.launch_s, host, 1e-12);
    EXPECT_NEAR(cost.issue_to_end_s, host + kernel_time(small, a100(), a100_gpu()), 1e-12);
    EXPECT_LT(cost.duration_s, host);
}

TEST(KernelCost, HostTimeFollowsThePhase) {
    Kernel kernel;
    EXPECT_DOUBLE_EQ(host_time(kernel, a100()), a100().host.forward_operator.seconds);
    kernel.backward = true;
    EXPECT_DOUBLE_EQ(host_time(kernel, a100()), a100().host.backward_operator.seconds);
    kernel.family = MemoryFamily::optimizer;
    EXPECT_DOUBLE_EQ(host_time(kernel, a100()), a100().host.optimizer_operator.seconds);
}

TEST(KernelCost, ACalibrationWithoutModelsSaysSo) {
    Kernel kernel;
    kernel.kind = KernelKind::gemm;
    kernel.m = kernel.n = kernel.k = 128;
    EXPECT_THROW(price_kernel(kernel, Calibration{}, a100_gpu()), ExperimentError);
    EXPECT_THROW(price_kernel(attention(128, true), Calibration{}, a100_gpu()), ExperimentError);
}

}  // namespace
}  // namespace orrery::sim
