// Context parallelism against the volumes and the arithmetic that its papers state.
#include "parallel/sequence/context_attention.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "models/layers.hpp"
#include "models/zoo.hpp"

namespace orrery::parallel {
namespace {

struct Setting {
    std::int64_t seq = 8192;
    std::int64_t heads = 32;
    std::int64_t kv_heads = 8;
    std::int64_t head_dim = 128;
    std::int64_t batch = 1;
    int tp = 1;
};

models::Operator core(const Setting& s) {
    models::Operator op{.kind = models::OperatorKind::core_attention, .split = models::Split::heads};
    op.heads = s.heads;
    op.kv_heads = s.kv_heads;
    op.head_dim = op.value_dim = s.head_dim;
    return op;
}

models::LocalShape share(const Setting& s, int cp) {
    models::LocalShape shape;
    shape.batch = s.batch;
    shape.seq = shape.keys = s.seq / cp;
    shape.tp = s.tp;
    return shape;
}

Parallelism divided(int cp, ContextScheme scheme) {
    Parallelism p;
    p.cp = cp;
    p.cp_scheme = scheme;
    return p;
}

struct Work {
    double bytes_sent = 0;  ///< by one rank to others
    double flops = 0;
    int exchanges = 0;
};

/// What one rank sends: of a gather or scatter of n parts it sends n - 1 parts in a ring, of an all-to-all
/// all but its own.
Work work_of(const std::vector<Step>& steps, int cp) {
    Work work;
    for (const Step& step : steps) {
        if (step.kind == Step::Kind::kernel) {
            if (step.kernel.kind == KernelKind::attention) work.flops += step.kernel.flops;
        } else if (step.kind == Step::Kind::collective) {
            EXPECT_EQ(step.role, RoleKind::cp);
            ++work.exchanges;
            const bool ring = step.traffic == Step::Traffic::ring;
            work.bytes_sent += ring ? step.bytes : step.bytes * (cp - 1) / cp;
        }
    }
    return work;
}

const models::Software& software() {
    static const models::Software megatron = models::load_software("megatron-core");
    return megatron;
}

Work forward(const Setting& s, int cp, ContextScheme scheme) {
    return work_of(context_attention_forward(core(s), share(s, cp), software(), divided(cp, scheme)), cp);
}
Work backward(const Setting& s, int cp, ContextScheme scheme) {
    return work_of(context_attention_backward(core(s), share(s, cp), software(), divided(cp, scheme)), cp);
}

constexpr double kElement = 2;

class ContextParallel : public testing::TestWithParam<int> {};

/// Causal attention of the whole sequence is 2 S^2 h d FLOPs forward; each rank does its equal share of it.
TEST_P(ContextParallel, DividesTheArithmeticEquallyInEveryScheme) {
    const Setting s;
    const int cp = GetParam();
    const double whole =
        2.0 * std::pow(static_cast<double>(s.seq), 2) * static_cast<double>(s.heads * s.head_dim);
    for (const ContextScheme scheme :
         {ContextScheme::ring, ContextScheme::all_gather, ContextScheme::ulysses}) {
        EXPECT_DOUBLE_EQ(forward(s, cp, scheme).flops, whole / cp);
        EXPECT_DOUBLE_EQ(backward(s, cp, scheme).flops, 2.5 * whole / cp);
    }
}

/// Liu et al. 2023, section 3: a block of c tokens passes its keys and values, 2 c kv d elements, to the next
/// rank in each of cp - 1 steps; backward their gradients as well.
TEST_P(ContextParallel, RingSendsTheVolumeOfRingAttention) {
    const int cp = GetParam();
    for (const int tp : {1, 2, 8}) {
        Setting s;
        s.tp = tp;
        const double block = kElement * 2 * static_cast<double>(s.seq / cp * s.kv_heads / tp * s.head_dim);
        const Work there = forward(s, cp, ContextScheme::ring);
        EXPECT_DOUBLE_EQ(there.bytes_sent, (cp - 1) * block);
        EXPECT_EQ(there.exchanges, cp - 1);
        EXPECT_DOUBLE_EQ(backward(s, cp, ContextScheme::ring).bytes_sent, 2 * (cp - 1) * block);
    }
}

/// Llama team 2024, section 3.3.2: keys and values of all tokens are gathered; a ring sends all but the own
/// part. Backward gathers again and reduce-scatters the gradients.
TEST_P(ContextParallel, AllGatherMovesAllKeysAndValues) {
    const Setting s;
    const int cp = GetParam();
    const double all = kElement * 2 * static_cast<double>(s.seq * s.kv_heads * s.head_dim);
    EXPECT_DOUBLE_EQ(forward(s, cp, ContextScheme::all_gather).bytes_sent, all * (cp - 1) / cp);
    EXPECT_DOUBLE_EQ(backward(s, cp, ContextScheme::all_gather).bytes_sent, 2 * all * (cp - 1) / cp);
}

/// Jacobs et al. 2023, section 3.2: multi-head attention exchanges 3 N h for queries, keys and values and N h
/// for the output over P ranks: 4 N h / P for each, whatever is kept included.
TEST_P(ContextParallel, UlyssesExchangesFourNhOverP) {
    Setting s;
    s.kv_heads = s.heads;
    const int cp = GetParam();
    const double hidden = static_cast<double>(s.heads * s.head_dim);
    const double published = kElement * 4 * static_cast<double>(s.seq) * hidden / cp;
    EXPECT_DOUBLE_EQ(forward(s, cp, ContextScheme::ulysses).bytes_sent, published * (cp - 1) / cp);
    EXPECT_DOUBLE_EQ(backward(s, cp, ContextScheme::ulysses).bytes_sent, published * (cp - 1) / cp);
    EXPECT_EQ(forward(s, cp, ContextScheme::ulysses).exchanges, 2);
}

INSTANTIATE_TEST_SUITE_P(Degrees, ContextParallel, testing::Values(2, 4, 8, 16));

/// With fewer key heads than ranks, each rank still needs one: they are sent several times.
TEST(ContextParallel, UlyssesRepeatsScarceKeyHeads) {
    Setting s;
    s.kv_heads = 4;
    Setting repeated = s;
    repeated.kv_heads = 16;
    EXPECT_EQ(forward(s, 16, ContextScheme::ulysses).bytes_sent,
              forward(repeated, 16, ContextScheme::ulysses).bytes_sent);
}

/// Each block's step but the last runs beside the exchange that brings the next block.
TEST(ContextParallel, RingHidesExchangesBehindAttention) {
    const Setting s;
    const std::vector<Step> steps =
        context_attention_forward(core(s), share(s, 4), software(), divided(4, ContextScheme::ring));
    int under_way = 0;
    int covered = 0;
    for (const Step& step : steps) {
        if (step.kind == Step::Kind::collective) under_way = 1;
        if (step.kind == Step::Kind::wait) under_way = 0;
        if (step.kind == Step::Kind::kernel && step.kernel.kind == KernelKind::attention)
            covered += under_way;
    }
    EXPECT_EQ(covered, 3);
}

}  // namespace
}  // namespace orrery::parallel
