// The CPU's kernels compute what they should: against loops in double precision written here.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "profiler/kernels/cpu/passes.hpp"
#include "profiler/kernels/cpu/plan.hpp"
#include "profiler/kernels/cpu/products.hpp"

namespace orrery::profiler {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    Floats out(count);
    for (float& value : out) value = normal(random);
    return out;
}

/// |out - reference| / |reference|, both as vectors; NaN never passes.
double relative_error(const Floats& out, const std::vector<double>& reference) {
    double difference = 0;
    double norm = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        difference += std::pow(out[i] - reference[i], 2);
        norm += reference[i] * reference[i];
    }
    return std::sqrt(difference / norm);
}

TEST(CpuGemm, EveryLayoutIsTheProduct) {
    for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
        for (const bool accumulate : {false, true}) {
            const Kernel kernel = gemm_case(Precision::fp32, layout, 2, 33, 17, 70, accumulate).kernel;
            const Floats a = random_floats(2 * 33 * 70, 1);
            const Floats b = random_floats(2 * 70 * 17, 2);
            Floats c = random_floats(2 * 33 * 17, 3);
            std::vector<double> expected(c.begin(), c.end());
            for (int batch = 0; batch < 2; ++batch) {
                for (int i = 0; i < 33; ++i) {
                    for (int j = 0; j < 17; ++j) {
                        double sum =
                            accumulate ? expected[static_cast<std::size_t>((batch * 17 + j) * 33 + i)] : 0;
                        for (int k = 0; k < 70; ++k) {
                            const int at_a = layout == GemmLayout::tn ? i * 70 + k : k * 33 + i;
                            const int at_b = layout == GemmLayout::nt ? k * 17 + j : j * 70 + k;
                            sum += static_cast<double>(a[static_cast<std::size_t>(batch * 33 * 70 + at_a)]) *
                                   static_cast<double>(b[static_cast<std::size_t>(batch * 70 * 17 + at_b)]);
                        }
                        expected[static_cast<std::size_t>((batch * 17 + j) * 33 + i)] = sum;
                    }
                }
            }
            cpu::gemm(kernel, a.data(), b.data(), c.data());
            EXPECT_LT(relative_error(c, expected), 1e-5) << to_string(layout) << accumulate;
        }
    }
}

/// Attention by its definition, scores and all, in double.
struct PlainAttention {
    Kernel kernel;
    std::vector<double> out, dq, dk, dv;

    [[nodiscard]] std::size_t q(int b, int i, int h, int d) const {
        return static_cast<std::size_t>(((b * kernel.m + i) * kernel.heads + h) * kernel.k + d);
    }
    [[nodiscard]] std::size_t kv(int b, int j, int h, int d) const {
        const auto shared = h / (kernel.heads / kernel.kv_heads);
        return static_cast<std::size_t>(((b * kernel.n + j) * kernel.kv_heads + shared) * kernel.k + d);
    }

    void compute(const Floats& qs, const Floats& ks, const Floats& vs, const Floats& dout) {
        out.assign(qs.size(), 0);
        dq.assign(qs.size(), 0);
        dk.assign(ks.size(), 0);
        dv.assign(vs.size(), 0);
        for (int b = 0; b < kernel.batch; ++b) {
            for (int h = 0; h < kernel.heads; ++h) {
                for (int i = 0; i < kernel.m; ++i) row(b, h, i, qs, ks, vs, dout);
            }
        }
    }

    void row(int b, int h, int i, const Floats& qs, const Floats& ks, const Floats& vs, const Floats& dout) {
        const int d = static_cast<int>(kernel.k);
        const int seen = static_cast<int>(kernel.causal ? i + kernel.n - kernel.m + 1 : kernel.n);
        std::vector<double> p(static_cast<std::size_t>(seen));
        double total = 0;
        for (int j = 0; j < seen; ++j) {
            double s = 0;
            for (int x = 0; x < d; ++x) s += static_cast<double>(qs[q(b, i, h, x)]) * ks[kv(b, j, h, x)];
            total += p[static_cast<std::size_t>(j)] = std::exp(s / std::sqrt(d));
        }
        std::vector<double> dp(p.size(), 0);
        double inner = 0;
        for (int j = 0; j < seen; ++j) {
            const auto at = static_cast<std::size_t>(j);
            p[at] /= total;
            for (int x = 0; x < d; ++x) {
                out[q(b, i, h, x)] += p[at] * vs[kv(b, j, h, x)];
                dv[kv(b, j, h, x)] += p[at] * dout[q(b, i, h, x)];
                dp[at] += static_cast<double>(dout[q(b, i, h, x)]) * vs[kv(b, j, h, x)];
            }
            inner += dp[at] * p[at];
        }
        for (int j = 0; j < seen; ++j) {
            const auto at = static_cast<std::size_t>(j);
            const double ds = p[at] * (dp[at] - inner) / std::sqrt(d);
            for (int x = 0; x < d; ++x) {
                dq[q(b, i, h, x)] += ds * ks[kv(b, j, h, x)];
                dk[kv(b, j, h, x)] += ds * qs[q(b, i, h, x)];
            }
        }
    }
};

TEST(CpuAttention, IsAttentionForwardAndBackward) {
    for (const bool causal : {false, true}) {
        for (const std::int64_t kv_heads : {4, 2, 1}) {
            Kernel kernel = attention_case(Precision::fp32, 2, 97, 4, kv_heads, 8, causal, false).kernel;
            kernel.n = 130;
            const Floats q = random_floats(2 * 97 * 4 * 8, 1);
            const Floats k = random_floats(static_cast<std::size_t>(2 * 130 * kv_heads * 8), 2);
            const Floats v = random_floats(k.size(), 3);
            const Floats dout = random_floats(q.size(), 4);
            PlainAttention plain{.kernel = kernel};
            plain.compute(q, k, v, dout);
            Floats out(q.size());
            Floats log_sum(2 * 4 * 97);
            cpu::attention_forward(kernel, q.data(), k.data(), v.data(), out.data(), log_sum.data());
            EXPECT_LT(relative_error(out, plain.out), 1e-5);
            Floats dq(q.size());
            Floats dk(k.size(), 7);
            Floats dv(v.size(), 7);
            cpu::attention_backward(kernel, q.data(), k.data(), v.data(), out.data(), dout.data(),
                                    log_sum.data(), dq.data(), dk.data(), dv.data());
            EXPECT_LT(relative_error(dq, plain.dq), 1e-4);
            EXPECT_LT(relative_error(dk, plain.dk), 1e-4);
            EXPECT_LT(relative_error(dv, plain.dv), 1e-4);
        }
    }
}

/// The gradient of sum(dout * forward(x)) by central differences, for a forward of float arrays.
std::vector<double> numeric_gradient(Floats x, const Floats& dout,
                                     const std::function<void(const float*, float*)>& forward) {
    std::vector<double> out(x.size());
    Floats result(dout.size());
    const auto loss = [&] {
        forward(x.data(), result.data());
        double sum = 0;
        for (std::size_t i = 0; i < result.size(); ++i) sum += static_cast<double>(result[i]) * dout[i];
        return sum;
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float kept = x[i];
        constexpr float kStep = 1e-2F;
        x[i] = kept + kStep;
        const double above = loss();
        x[i] = kept - kStep;
        const double below = loss();
        x[i] = kept;
        out[i] = (above - below) / (2 * static_cast<double>(kStep));
    }
    return out;
}

constexpr std::size_t kRows = 3;
constexpr std::size_t kWidth = 40;
constexpr std::size_t kCount = kRows * kWidth;

TEST(CpuPasses, NormsAreNormalAndTheirGradientsAreTheirs) {
    const Floats x = random_floats(kCount, 1);
    const Floats dout = random_floats(kCount, 2);
    const Floats weight = random_floats(kWidth, 3);
    const Floats bias = random_floats(kWidth, 4);
    Floats mean(kRows);
    Floats inverse(kRows);
    const auto layer = [&](const float* in, float* out) {
        cpu::layer_norm(kRows, kWidth, in, weight.data(), bias.data(), out, mean.data(), inverse.data());
    };
    Floats out(kCount);
    layer(x.data(), out.data());
    for (std::size_t row = 0; row < kRows; ++row) {
        double sum = 0;
        double squares = 0;
        for (std::size_t i = 0; i < kWidth; ++i) {
            const double normal = (out[row * kWidth + i] - bias[i]) / weight[i];
            sum += normal;
            squares += normal * normal;
        }
        EXPECT_NEAR(sum, 0, 1e-3);
        EXPECT_NEAR(squares / kWidth, 1, 1e-3);
    }
    Floats dx(kCount);
    cpu::layer_norm_backward(kRows, kWidth, x.data(), dout.data(), weight.data(), mean.data(), inverse.data(),
                             dx.data());
    EXPECT_LT(relative_error(dx, numeric_gradient(x, dout, layer)), 2e-3);
    layer(x.data(), out.data());
    Floats dweight(kWidth);
    cpu::norm_weight_gradient(kRows, kWidth, x.data(), dout.data(), mean.data(), inverse.data(),
                              dweight.data());
    std::vector<double> expected(kWidth, 0);
    for (std::size_t i = 0; i < kCount; ++i) {
        expected[i % kWidth] +=
            static_cast<double>(dout[i]) * (out[i] - bias[i % kWidth]) / weight[i % kWidth];
    }
    EXPECT_LT(relative_error(dweight, expected), 1e-4);

    const auto rms = [&](const float* in, float* result) {
        cpu::rms_norm(kRows, kWidth, in, weight.data(), result, inverse.data());
    };
    const std::vector<double> gradient = numeric_gradient(x, dout, rms);
    rms(x.data(), out.data());
    cpu::rms_norm_backward(kRows, kWidth, x.data(), dout.data(), weight.data(), inverse.data(), dx.data());
    EXPECT_LT(relative_error(dx, gradient), 2e-3);
}

TEST(CpuPasses, ActivationsHaveTheirGradients) {
    const Floats x = random_floats(kCount, 1);
    const Floats other = random_floats(kCount, 2);
    const Floats dout = random_floats(kCount, 3);
    Floats dx(kCount);
    Floats dother(kCount);
    cpu::gelu_backward(kCount, x.data(), dout.data(), dx.data());
    EXPECT_LT(
        relative_error(
            dx, numeric_gradient(x, dout, [](const float* in, float* out) { cpu::gelu(kCount, in, out); })),
        2e-3);
    Floats one{1};
    Floats gelu_of_one(1);
    cpu::gelu(1, one.data(), gelu_of_one.data());
    EXPECT_NEAR(gelu_of_one[0], 0.841192, 1e-5);  // tanh form; x Phi(x) is 0.841345

    cpu::swiglu_backward(kCount, x.data(), other.data(), dout.data(), dx.data(), dother.data());
    EXPECT_LT(relative_error(dx, numeric_gradient(x, dout,
                                                  [&](const float* in, float* out) {
                                                      cpu::swiglu(kCount, in, other.data(), out);
                                                  })),
              2e-3);
    EXPECT_LT(relative_error(dother, numeric_gradient(other, dout,
                                                      [&](const float* in, float* out) {
                                                          cpu::swiglu(kCount, x.data(), in, out);
                                                      })),
              2e-3);
}

TEST(CpuPasses, SoftmaxAndCrossEntropyHaveTheirGradients) {
    const Floats x = random_floats(kCount, 1);
    const Floats dout = random_floats(kCount, 2);
    const auto forward = [](const float* in, float* out) { cpu::softmax(kRows, kWidth, in, out); };
    Floats y(kCount);
    forward(x.data(), y.data());
    for (std::size_t row = 0; row < kRows; ++row) {
        double sum = 0;
        for (std::size_t i = 0; i < kWidth; ++i) sum += y[row * kWidth + i];
        EXPECT_NEAR(sum, 1, 1e-5);
    }
    Floats dx(kCount);
    cpu::softmax_backward(kRows, kWidth, y.data(), dout.data(), dx.data());
    EXPECT_LT(relative_error(dx, numeric_gradient(x, dout, forward)), 2e-3);

    const std::vector<std::int64_t> target{3, 0, 39};
    Floats log_sum(kRows);
    Floats loss(kRows);
    const auto entropy = [&](const float* in, float* out) {
        cpu::cross_entropy(kRows, kWidth, in, target.data(), out, log_sum.data());
    };
    entropy(x.data(), loss.data());
    for (std::size_t row = 0; row < kRows; ++row) {
        EXPECT_NEAR(loss[row], -std::log(y[row * kWidth + static_cast<std::size_t>(target[row])]), 1e-5);
    }
    const std::vector<double> gradient = numeric_gradient(x, Floats(kRows, 0.5F), entropy);
    entropy(x.data(), loss.data());
    cpu::cross_entropy_backward(kRows, kWidth, 0.5F, x.data(), target.data(), log_sum.data(), dx.data());
    EXPECT_LT(relative_error(dx, gradient), 2e-3);
}

TEST(CpuPasses, RotationKeepsLengthsAndTurnsBack) {
    const Floats x = random_floats(2 * 256, 1);
    Floats cosine(2 * 64);
    Floats sine(2 * 64);
    for (std::size_t i = 0; i < cosine.size(); ++i) {
        cosine[i] = std::cos(0.1F * static_cast<float>(i));
        sine[i] = std::sin(0.1F * static_cast<float>(i));
    }
    Floats turned = x;
    cpu::rotary(2, 256, 1, cosine.data(), sine.data(), turned.data());
    EXPECT_NEAR(turned[1], x[1] * cosine[1] - x[65] * sine[1], 1e-5);
    EXPECT_NEAR(turned[256 + 128 + 65], x[256 + 128 + 65] * cosine[65] + x[256 + 128 + 1] * sine[65], 1e-5);
    cpu::rotary(2, 256, -1, cosine.data(), sine.data(), turned.data());
    EXPECT_LT(relative_error(turned, {x.begin(), x.end()}), 1e-5);
}

TEST(CpuPasses, DropoutKeepsItsShareAndItsMean) {
    constexpr std::size_t kMany = 100000;
    const Floats x(kMany, 1);
    const Floats residual(kMany, 2);
    Floats out(kMany);
    std::vector<std::uint8_t> mask(kMany);
    cpu::dropout_add(kMany, 0.1F, 5, x.data(), residual.data(), out.data(), mask.data());
    double kept = 0;
    for (std::size_t i = 0; i < kMany; ++i) {
        kept += mask[i];
        EXPECT_NEAR(out[i], mask[i] != 0 ? 2 + 1 / 0.9 : 2, 1e-5);
    }
    EXPECT_NEAR(kept / kMany, 0.9, 4 * std::sqrt(0.09 / kMany));
    Floats dx(kMany);
    cpu::dropout_backward(kMany, 0.1F, residual.data(), mask.data(), dx.data());
    for (std::size_t i = 0; i < kMany; ++i) EXPECT_NEAR(dx[i], mask[i] != 0 ? 2 / 0.9 : 0, 1e-5);
}

TEST(CpuPasses, CastsRoundToTheNearestBfloat) {
    const Floats x{1.0F, 1.00390625F, 1.01171875F, -3.14159274F, 1e30F};
    std::vector<std::uint16_t> half(x.size());
    Floats back(x.size());
    cpu::cast_down(x.size(), x.data(), half.data());
    cpu::cast_up(x.size(), half.data(), back.data());
    EXPECT_EQ(half[0], 0x3F80);
    EXPECT_EQ(half[1], 0x3F80);  // halfway between 1 and 1 + 2^-7: to even
    EXPECT_EQ(half[2], 0x3F82);  // halfway again: to even, upwards
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i] / x[i], 1, 1.0 / 256);
}

TEST(CpuPasses, GatherScatterAndUnpermuteFollowTheirIndices) {
    const Floats table = random_floats(4 * kWidth, 1);
    const std::vector<std::int64_t> index{2, 0, 2};
    Floats out(kCount);
    cpu::gather(kRows, kWidth, table.data(), index.data(), out.data());
    EXPECT_EQ(out[0], table[2 * kWidth]);
    EXPECT_EQ(out[kWidth + 5], table[5]);
    Floats sum(4 * kWidth, 1);
    cpu::scatter_add(kRows, kWidth, out.data(), index.data(), sum.data());
    EXPECT_FLOAT_EQ(sum[2 * kWidth + 3], 1 + 2 * table[2 * kWidth + 3]);
    EXPECT_FLOAT_EQ(sum[kWidth + 3], 1);
    const std::vector<std::int64_t> pairs{0, 1, 3, 3};
    const Floats weight{0.25F, 0.75F, 2, -1};
    cpu::unpermute(2, kWidth, table.data(), pairs.data(), weight.data(), out.data());
    EXPECT_FLOAT_EQ(out[7], 0.25F * table[7] + 0.75F * table[kWidth + 7]);
    EXPECT_FLOAT_EQ(out[kWidth + 7], table[3 * kWidth + 7]);
}

TEST(CpuPasses, AdamStepsAsThePaperSays) {
    constexpr std::size_t kMany = 5000;  // more than one chunk
    Floats p = random_floats(kMany, 1);
    const Floats g = random_floats(kMany, 2);
    Floats m = random_floats(kMany, 3);
    Floats v(kMany, 0.5F);
    const cpu::AdamStep s;
    std::vector<double> expected(kMany);
    for (std::size_t i = 0; i < kMany; ++i) {
        const double m1 = s.beta1 * m[i] + (1.0 - s.beta1) * g[i];
        const double v1 = s.beta2 * v[i] + (1.0 - s.beta2) * g[i] * g[i];
        expected[i] =
            p[i] - s.learning_rate * (m1 / s.correction1 / (std::sqrt(v1 / s.correction2) + s.epsilon) +
                                      s.weight_decay * p[i]);
    }
    cpu::adam(kMany, s, p.data(), g.data(), m.data(), v.data());
    EXPECT_LT(relative_error(p, expected), 1e-6);
}

TEST(KernelCase, ATasksKernelBecomesACaseOfTheSameBytes) {
    for (const MemoryFamily family :
         {MemoryFamily::elementwise, MemoryFamily::normalization, MemoryFamily::softmax, MemoryFamily::gather,
          MemoryFamily::optimizer, MemoryFamily::fill}) {
        for (const double bytes : {40.0, 3e5, 7.7e7}) {
            Kernel kernel;
            kernel.family = family;
            kernel.bytes = bytes;
            kernel.precision = Precision::fp32;
            const auto found = case_of(kernel);
            ASSERT_TRUE(found.has_value());
            EXPECT_EQ(found->kernel.family, family);
            EXPECT_NEAR(found->kernel.bytes / bytes, 1, 0.35);
            EXPECT_TRUE(cpu::plan_of(*found).has_value());
        }
    }
    Kernel host;
    host.kind = KernelKind::host_only;
    EXPECT_FALSE(case_of(host).has_value());
}

TEST(CpuPlan, EveryFp32OperationRunsOnOperandsOfItsSizes) {
    int run = 0;
    for (const OperationInfo& info : operations()) {
        for (const bool backward : {false, true}) {
            if (!info.family || (backward && !info.backward)) continue;
            const bool cast = info.operation == Operation::cast_down || info.operation == Operation::cast_up;
            const auto plan = cpu::plan_of(
                memory_case(info.operation, cast ? Precision::bf16 : Precision::fp32, 8, 128, backward));
            ASSERT_TRUE(plan.has_value()) << info.name;
            std::vector<Floats> buffers;
            std::vector<std::byte*> operands;
            for (const std::size_t bytes : plan->operand_bytes) buffers.emplace_back(bytes / 4 + 1, 0.5F);
            for (Floats& buffer : buffers) operands.push_back(reinterpret_cast<std::byte*>(buffer.data()));
            plan->run(operands);
            for (const Floats& buffer : buffers)
                EXPECT_EQ(buffer.back(), 0.5F) << info.name << " wrote too far";
            ++run;
        }
    }
    EXPECT_EQ(run, 27);
}

}  // namespace
}  // namespace orrery::profiler
