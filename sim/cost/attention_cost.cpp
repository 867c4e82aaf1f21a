#include "sim/cost/attention_cost.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::sim {
namespace {

constexpr int kHeadStep = 32;

int padded_head(std::int64_t head_dim) {
    return static_cast<int>((head_dim + kHeadStep - 1) / kHeadStep * kHeadStep);
}

/// Implementations to try in turn when the calibration lacks the one asked for: the nearest relative first.
std::vector<AttentionImplementation> substitutes(AttentionImplementation wanted) {
    using enum AttentionImplementation;
    switch (wanted) {
        case flash1:
            return {flash1, triton, flash2, cudnn, flash3, unfused};
        case triton:
            return {triton, flash1, flash2, cudnn, flash3, unfused};
        case flash3:
        case cudnn:
            return {wanted, cudnn, flash3, flash2, flash1, triton, unfused};
        case flash2:
        case unfused:
            break;
    }
    return {flash2, cudnn, flash1, triton, flash3, unfused};
}

AttentionModel interpolate(const AttentionModel& a, const AttentionModel& b, double head_dim) {
    const double at =
        std::log(head_dim / a.head_dim) / std::log(static_cast<double>(b.head_dim) / a.head_dim);
    const auto mix = [at](double x, double y) { return x + at * (y - x); };
    AttentionModel out = a;
    out.efficiency = mix(a.efficiency, b.efficiency);
    out.overhead = mix(a.overhead, b.overhead);
    out.diagonal = mix(a.diagonal, b.diagonal);
    out.tail = mix(a.tail, b.tail);
    out.fixed_s = mix(a.fixed_s, b.fixed_s);
    out.head_dim = static_cast<int>(head_dim);
    return out;
}

}  // namespace

double attention_flops(const Kernel& kernel) {
    const double forward = 4.0 * static_cast<double>(kernel.batch) * static_cast<double>(kernel.heads) *
                           static_cast<double>(kernel.m) * static_cast<double>(kernel.n) *
                           static_cast<double>(kernel.k);
    return forward * (kernel.backward ? 2.5 : 1) * (kernel.causal ? 0.5 : 1);
}

double attention_time(const Kernel& kernel, const AttentionModel& model, const GemmDevice& device) {
    const auto m = static_cast<double>(kernel.m);
    const auto n = static_cast<double>(kernel.n);
    if (m <= 0 || n <= 0 || kernel.heads <= 0) return 0;
    const double blocks = static_cast<double>(std::max<std::int64_t>(kernel.batch, 1)) *
                          static_cast<double>(kernel.heads) * std::ceil(m / model.rows);
    const double visited = kernel.causal ? n - m / 2 + model.diagonal : n;
    const double shared = blocks / device.multiprocessors * (visited + model.overhead) + model.tail * n;
    const double keys = std::max(shared, n + model.overhead);
    const double flops_per_key = model.rows * 4.0 * padded_head(kernel.k) * (model.backward ? 2.5 : 1);
    return model.fixed_s +
           keys * flops_per_key * device.multiprocessors / (model.efficiency * device.peak_flops);
}

std::optional<ChosenAttention> choose_attention(const Kernel& kernel,
                                                const std::vector<AttentionModel>& models) {
    for (const AttentionImplementation implementation : substitutes(kernel.attention)) {
        const double wanted = padded_head(kernel.k);
        const AttentionModel* below = nullptr;
        const AttentionModel* above = nullptr;
        for (const AttentionModel& model : models) {
            if (model.implementation != implementation || model.backward != kernel.backward) continue;
            if (model.head_dim <= wanted && (!below || model.head_dim > below->head_dim)) below = &model;
            if (model.head_dim >= wanted && (!above || model.head_dim < above->head_dim)) above = &model;
        }
        if (!below && !above) continue;
        const bool same = implementation == kernel.attention;
        if (below && above) {
            if (below == above) return ChosenAttention{*below, same};
            return ChosenAttention{interpolate(*below, *above, wanted), same};
        }
        return ChosenAttention{below ? *below : *above, false};
    }
    return std::nullopt;
}

}  // namespace orrery::sim
