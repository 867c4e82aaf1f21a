// What a GPT block keeps and computes, against the published formulas.
#include "models/emit.hpp"

#include <gtest/gtest.h>

#include "models/zoo.hpp"

namespace orrery::models {
namespace {

constexpr std::int64_t kBatch = 2;

LocalShape local(const TransformerShape& model, int tp, bool sequence_parallel) {
    LocalShape shape;
    shape.batch = kBatch;
    shape.seq = shape.keys = model.seq_length;
    shape.tp = tp;
    shape.sequence_parallel = sequence_parallel;
    shape.precision = Precision::fp16;
    return shape;
}

double saved_by_a_block(const TransformerShape& model, const LocalShape& shape, bool checkpointed_attention) {
    const Model graph = build_transformer(model);
    const Software software = load_software("megatron-lm-2022");
    double sum = 0;
    for (const Operator& op : graph.layer(1).operators) {
        sum += saved_activation_bytes(op, shape, software, checkpointed_attention);
    }
    return sum;
}

/// Korthikanti et al. 2022, Table 2, as s b h x (whole + divided / t), all of it divided under sequence
/// parallelism.
double published(const TransformerShape& m, double whole, double divided, bool attention, int tp) {
    const auto s = static_cast<double>(m.seq_length);
    const auto h = static_cast<double>(m.hidden);
    const double scores = attention ? 5 * static_cast<double>(m.heads) * s / h : 0;
    return s * static_cast<double>(kBatch) * h * (whole + (divided + scores) / tp);
}

class ActivationBytes : public testing::TestWithParam<const char*> {};

TEST_P(ActivationBytes, MatchThePaperWithoutTensorParallelism) {
    const TransformerShape m = load_transformer(GetParam());
    EXPECT_DOUBLE_EQ(saved_by_a_block(m, local(m, 1, false), false), published(m, 10, 24, true, 1));
}

TEST_P(ActivationBytes, MatchThePaperWithTensorParallelism) {
    const TransformerShape m = load_transformer(GetParam());
    for (const int tp : {2, 4, 8}) {
        EXPECT_DOUBLE_EQ(saved_by_a_block(m, local(m, tp, false), false), published(m, 10, 24, true, tp))
            << tp;
    }
}

TEST_P(ActivationBytes, MatchThePaperWithSequenceParallelism) {
    const TransformerShape m = load_transformer(GetParam());
    for (const int tp : {2, 4, 8}) {
        EXPECT_DOUBLE_EQ(saved_by_a_block(m, local(m, tp, true), false), published(m, 0, 34, true, tp)) << tp;
    }
}

TEST_P(ActivationBytes, MatchThePaperWithSelectiveRecomputation) {
    const TransformerShape m = load_transformer(GetParam());
    EXPECT_DOUBLE_EQ(saved_by_a_block(m, local(m, 8, false), true), published(m, 10, 24, false, 8));
    EXPECT_DOUBLE_EQ(saved_by_a_block(m, local(m, 8, true), true), published(m, 0, 34, false, 8));
}

INSTANTIATE_TEST_SUITE_P(Models, ActivationBytes,
                         testing::Values("megatron-22b", "megatron-175b", "megatron-530b", "megatron-1t"));

/// 96 B s l h^2 (1 + s/(6h) + V/(16 l h)) with every block's forward repeated, 72 B s l h^2 (1 + s/(6h) +
/// V/(12 l h)) without (Narayanan et al. 2021, equation 3 and appendix).
TEST(ModelFlops, MatchThePublishedFormula) {
    for (const char* name : {"megatron-1.7b", "megatron-39.1b", "megatron-175b", "megatron-1t"}) {
        const TransformerShape m = load_transformer(name);
        const Model graph = build_transformer(m);
        const auto s = static_cast<double>(m.seq_length);
        const auto h = static_cast<double>(m.hidden);
        const auto l = static_cast<double>(m.layers);
        const auto v = static_cast<double>(m.vocab);
        const double without = 72 * s * l * h * h * (1 + s / (6 * h) + v / (12 * l * h));
        const double with = 96 * s * l * h * h * (1 + s / (6 * h) + v / (16 * l * h));
        const double model = model_flops_per_sequence(graph, m.seq_length, false);
        EXPECT_NEAR(model / without, 1, 1e-12) << name;
        const double repeated = block_forward_flops(graph, m.seq_length, false);
        EXPECT_NEAR((model + repeated) / with, 1, 1e-12) << name;
    }
}

/// Causal attention counted half leaves out half of the scores and nothing else.
TEST(ModelFlops, HalveOnlyTheAttention) {
    const TransformerShape m = load_transformer("llama3-8b");
    const Model graph = build_transformer(m);
    const auto s = static_cast<double>(m.seq_length);
    const double scores = 12 * s * s * static_cast<double>(m.layers * m.heads * m.head_dim);
    EXPECT_NEAR(model_flops_per_sequence(graph, m.seq_length, false) -
                    model_flops_per_sequence(graph, m.seq_length, true),
                scores / 2, scores * 1e-12);
}

/// Executed matrix products of a rank's forward and backward add up to the model's FLOPs over the group.
TEST(Emit, MatrixProductsOfAllRanksAddUpToTheModel) {
    const TransformerShape m = load_transformer("megatron-22b");
    const Model graph = build_transformer(m);
    const Software software = load_software("megatron-lm-2022");
    for (const int tp : {1, 2, 8}) {
        const LocalShape shape = local(m, tp, tp > 1);
        double executed = 0;
        for (const Operator& op : graph.layer(1).operators) {
            std::vector<Kernel> kernels;
            emit_forward(op, shape, software, kernels);
            emit_backward_input(op, shape, software, kernels);
            emit_backward_weight(op, shape, software, kernels);
            for (const Kernel& kernel : kernels) {
                if (kernel.kind != KernelKind::gemm) continue;
                executed += 2 * static_cast<double>(kernel.batch) * static_cast<double>(kernel.m) *
                            static_cast<double>(kernel.n) * static_cast<double>(kernel.k);
            }
        }
        const double expected = 3 * static_cast<double>(kBatch) *
                                block_forward_flops(graph, m.seq_length, false) /
                                static_cast<double>(m.layers);
        EXPECT_NEAR(executed * tp / expected, 1, 1e-12) << tp;
    }
}

}  // namespace
}  // namespace orrery::models
