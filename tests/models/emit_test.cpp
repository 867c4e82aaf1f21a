// What a GPT block keeps and computes, against the published formulas.
#include "models/emit.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

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

// --- traffic of what a framework does differently ---

double traffic(const std::vector<Kernel>& kernels) {
    double bytes = 0;
    for (const Kernel& kernel : kernels) bytes += kernel.bytes;
    return bytes;
}

const Operator& find_operator(const Model& model, OperatorKind kind) {
    for (const Layer& layer : model.types) {
        for (const Operator& op : layer.operators) {
            if (op.kind == kind) return op;
        }
    }
    throw std::logic_error("the model has no such operator");
}

/// Memory traffic of an operator's forward and of its input gradient, bytes an element of `elements`.
struct Traffic {
    double forward;
    double backward;
};

Traffic traffic_of(OperatorKind kind, const Software& software, double elements) {
    const TransformerShape m = load_transformer("llama3-8b");
    const Model graph = build_transformer(m);
    const LocalShape shape = local(m, 1, false);
    std::vector<Kernel> forward;
    std::vector<Kernel> backward;
    emit_forward(find_operator(graph, kind), shape, software, forward);
    emit_backward_input(find_operator(graph, kind), shape, software, backward);
    return {traffic(forward) / elements, traffic(backward) / elements};
}

TEST(CrossEntropy, ReadsAndWritesTheLogitsAsOftenAsItsKernelsDo) {
    const TransformerShape m = load_transformer("llama3-8b");
    const double logits = static_cast<double>(kBatch * m.seq_length * m.vocab);
    Software software;
    software.cross_entropy = CrossEntropy::fused;
    Traffic t = traffic_of(OperatorKind::cross_entropy, software, logits);
    EXPECT_DOUBLE_EQ(t.forward, 2);   // read
    EXPECT_DOUBLE_EQ(t.backward, 4);  // read and written

    software.cross_entropy = CrossEntropy::torch;
    t = traffic_of(OperatorKind::cross_entropy, software, logits);
    EXPECT_DOUBLE_EQ(t.forward, 2 + 4 + 4 + 4);               // cast; log-softmax
    EXPECT_DOUBLE_EQ(t.backward, 4 + (4 + 4 + 4) + (4 + 2));  // cleared; its gradient; cast back

    software.logits_in_fp32 = false;
    t = traffic_of(OperatorKind::cross_entropy, software, logits);
    EXPECT_DOUBLE_EQ(t.forward, 2 + 2);
    EXPECT_DOUBLE_EQ(t.backward, 2 + (2 + 2 + 2));
}

TEST(CrossEntropy, IsRepeatedForwardOnlyForEachMetric) {
    const TransformerShape m = load_transformer("llama3-8b");
    const double logits = static_cast<double>(kBatch * m.seq_length * m.vocab);
    Software software;
    software.cross_entropy = CrossEntropy::torch;
    const Traffic one = traffic_of(OperatorKind::cross_entropy, software, logits);
    software.loss_metrics = 2;
    const Traffic three = traffic_of(OperatorKind::cross_entropy, software, logits);
    EXPECT_DOUBLE_EQ(three.forward, 3 * one.forward);
    EXPECT_DOUBLE_EQ(three.backward, one.backward);
}

TEST(Vocabulary, IsPaddedToItsMultipleOrLosesWhatIsLeftOver) {
    Software software;
    software.vocab_multiple = 128;
    EXPECT_EQ(padded_vocabulary(50257, 2, software), 50432);
    software.vocab_multiple = 1;
    EXPECT_EQ(padded_vocabulary(50257, 2, software), 50258);
    software.vocab_multiple = 0;
    EXPECT_EQ(padded_vocabulary(50257, 1, software), 50257);
    EXPECT_EQ(padded_vocabulary(50257, 2, software), 50256);
    EXPECT_EQ(padded_vocabulary(50257, 8, software), 50256);
    EXPECT_EQ(padded_vocabulary(51200, 8, software), 51200);
}

/// Bytes moved per score by the kernels between the two products of the forward, and by all of the backward's
/// that are not products.
Traffic softmax_traffic(std::int64_t batch, int tp, const Software& software) {
    TransformerShape m = load_transformer("gpt3-175b");
    m.heads = m.kv_heads = 16;
    m.head_dim = m.hidden / m.heads;
    m.dropout = 0;
    const Model graph = build_transformer(m);
    LocalShape shape = local(m, tp, false);
    shape.batch = batch;
    const Operator& core = find_operator(graph, OperatorKind::core_attention);
    std::vector<Kernel> forward;
    std::vector<Kernel> backward;
    emit_forward(core, shape, software, forward);
    emit_backward_input(core, shape, software, backward);
    const double scores = static_cast<double>(batch * m.heads / tp * shape.seq * shape.keys);
    // Without transposed activations the backward also gathers the gradients of queries, keys and values.
    const double gathered = 2.0 * 2 * 3 * static_cast<double>(batch * shape.seq * m.hidden / tp);
    return {traffic(forward) / scores, (traffic(backward) - gathered) / scores};
}

TEST(FusedSoftmax, TakesOnlyMultiplesOfFourSequencesTimesHeads) {
    Software software;
    for (const auto& [batch, tp] : {std::pair<std::int64_t, int>{1, 1}, {1, 4}, {2, 8}}) {
        const Traffic fused = softmax_traffic(batch, tp, software);
        EXPECT_NEAR(fused.forward, 1.5 * 2, 1e-9);
        EXPECT_NEAR(fused.backward, 2 * 2, 1e-9);
    }
    // One sequence of two heads: to fp32, scale, mask, softmax, to 16 bits; and back.
    const Traffic apart = softmax_traffic(1, 8, software);
    EXPECT_NEAR(apart.forward, 6 + 8 + 8 + 8 + 6, 1e-9);
    EXPECT_NEAR(apart.backward, 6 + 12 + 8 + 8 + 6, 1e-9);
    software.fused_softmax = false;  // in 16 bits throughout, whatever the shape
    EXPECT_NEAR(softmax_traffic(1, 8, software).forward, 4 + 4 + 4, 1e-9);
    EXPECT_NEAR(softmax_traffic(1, 8, software).backward, 6 + 4 + 4, 1e-9);
}

TEST(Rotary, InFp32CastsThereAndBack) {
    const TransformerShape m = load_transformer("llama3-8b");
    const double queries = static_cast<double>(kBatch * m.seq_length * m.heads * m.head_dim);
    const double keys = queries * static_cast<double>(m.kv_heads) / static_cast<double>(m.heads);
    Software software;
    EXPECT_DOUBLE_EQ(traffic_of(OperatorKind::rotary, software, queries + keys).forward, 4);
    software.rotary_in_fp32 = true;
    EXPECT_DOUBLE_EQ(traffic_of(OperatorKind::rotary, software, queries + keys).forward, 6 + 8 + 6);
    software.repeats_kv = true;  // keys and values read once, written once for every query head
    const Traffic t = traffic_of(OperatorKind::rotary, software, 1);
    EXPECT_DOUBLE_EQ(t.forward, 20 * (queries + keys) + 2 * 2 * (keys + queries));
    EXPECT_DOUBLE_EQ(t.backward, t.forward);
}

TEST(Norm, OfSeparateKernelsInFp32MovesMoreThanTheFusedOne) {
    const TransformerShape m = load_transformer("llama3-8b");
    const double elements = static_cast<double>(kBatch * m.seq_length * m.hidden);
    Software software;
    EXPECT_DOUBLE_EQ(traffic_of(OperatorKind::norm, software, elements).forward, 4);
    software.fused_norm = false;
    software.norm_in_fp32 = true;
    // To fp32 (2 + 4), square (4 + 4), mean (4), scale (4 + 4), to 16 bits (4 + 2), weight (2 + 2).
    EXPECT_DOUBLE_EQ(traffic_of(OperatorKind::norm, software, elements).forward, 6 + 8 + 4 + 8 + 6 + 4);
}

}  // namespace
}  // namespace orrery::models
