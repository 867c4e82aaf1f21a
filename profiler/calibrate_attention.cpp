// Fused attention of each GPU.
#include "profiler/calibrate_parts.hpp"

#include <algorithm>
#include <cmath>

#include "profiler/fit_attention.hpp"

namespace orrery::profiler {
namespace {

void add(std::vector<sim::AttentionModel>& models, AttentionPair pair, const sim::Provenance& provenance) {
    for (sim::AttentionModel* model : {&pair.forward, &pair.backward}) {
        model->provenance = provenance;
        models.push_back(*model);
    }
}

constexpr const char* kFlash = "Dao-AILab/flash-attention@0251105 assets (attention_speed.csv)";

/// The tail of a last wave, which the published sweeps, all with many heads, do not show.
double flash2_tail(const Tables& tables) {
    const Device device = device_named(tables, "a100-pcie-80g");
    const auto samples =
        attention_samples(table_named(tables, "attention"), "a100-pcie", AttentionImplementation::flash2);
    return fit_attention(samples, AttentionImplementation::flash2, 128, {}, device.at(Precision::bf16))
        .forward.tail;
}

/// FlashAttention in Triton has no rows of its own. FlashAttention-2 is 1.7 to 3.0 times as fast as
/// FlashAttention and 1.3 to 2.5 times as fast as the Triton form (Dao 2023, section 4): the ratio of the two
/// ranges' geometric means.
void add_triton(std::vector<sim::AttentionModel>& models) {
    const double gain = std::sqrt(1.7 * 3.0) / std::sqrt(1.3 * 2.5);
    const std::vector<sim::AttentionModel> fitted = models;
    for (sim::AttentionModel model : fitted) {
        if (model.implementation != AttentionImplementation::flash1) continue;
        model.implementation = AttentionImplementation::triton;
        model.efficiency *= gain;
        model.provenance = {
            "derived",
            "FlashAttention's rows, 1.25 times as fast: FlashAttention-2 is 1.7 to 3.0 times as fast as "
            "FlashAttention and 1.3 to 2.5 times as fast as its Triton form (Dao 2023, "
            "FlashAttention-2, section 4)"};
        models.push_back(model);
    }
}

std::vector<sim::AttentionModel> a100_attention(const Tables& tables, const Device& device) {
    using enum AttentionImplementation;
    std::vector<sim::AttentionModel> models;
    const Device sampled = device_named(tables, "a100-sxm-80g");
    const auto samples = attention_speed_samples(table_named(tables, "attention_speed"), "a100-sxm-80g");
    AttentionPrior prior;
    prior.tail = flash2_tail(tables);
    prior.tail_spread = 0.02;
    const std::string split =
        "; split of forward and backward as in FlashAttention-2 (Dao 2023: 73 to 63% of peak); "
        "tail from attention.csv (A100 PCIe, 4 to 64 heads)";
    const bool own = device.name == sampled.name;
    for (const auto implementation : {flash1, flash2}) {
        for (const int head_dim : {64, 128}) {
            add(models, fit_attention(samples, implementation, head_dim, prior, sampled.at(Precision::bf16)),
                own ? sim::Provenance{"published", kFlash + split}
                    : sim::Provenance{"derived", "the A100 SXM 80 GB's (same chip): " + (kFlash + split)});
        }
    }
    add_triton(models);
    return models;
}

/// FlashAttention-3 and cuDNN are published forward only. Backward: 1.5 to 1.75 times FlashAttention-2's
/// (Shah et al. 2024, section 1), the middle.
void add_hopper_forward_only(std::vector<sim::AttentionModel>& models, const std::vector<Sample>& samples,
                             AttentionImplementation implementation, const AttentionPrior& prior,
                             const Device& device) {
    constexpr double kBackwardGain = 1.625;
    for (const int head_dim : {64, 128, 256}) {
        AttentionPair pair =
            fit_attention(samples, implementation, head_dim, prior, device.at(Precision::bf16));
        for (const sim::AttentionModel& flash2 : models) {
            if (flash2.implementation != AttentionImplementation::flash2 || !flash2.backward) continue;
            if (flash2.head_dim != std::min(head_dim, 128)) continue;
            pair.backward.efficiency = std::min(flash2.efficiency * kBackwardGain, pair.forward.efficiency);
        }
        add(models, pair,
            {"published", std::string(kFlash) +
                              "; backward 1.625 times FlashAttention-2's (Shah et al. 2024, "
                              "FlashAttention-3, section 1: 1.5 to 1.75)"});
    }
}

std::vector<sim::AttentionModel> hopper_attention(const Tables& tables) {
    using enum AttentionImplementation;
    std::vector<sim::AttentionModel> models;
    const Device device = device_named(tables, "h100-sxm-80g");
    const auto samples = attention_speed_samples(table_named(tables, "attention_speed"), "h100-sxm-80g");
    AttentionPrior prior;
    prior.tail = flash2_tail(tables);
    prior.tail_spread = 0.02;
    prior.efficiency = 0.35;
    for (const auto implementation : {flash1, flash2}) {
        for (const int head_dim : {64, 128}) {
            add(models, fit_attention(samples, implementation, head_dim, prior, device.at(Precision::bf16)),
                {"published", std::string(kFlash) + "; tail from the A100"});
        }
    }
    add(models, fit_attention(samples, flash2, 256, prior, device.at(Precision::bf16)),
        {"published", std::string(kFlash) + "; forward only, backward split as in FlashAttention-2"});
    add_triton(models);
    prior.efficiency = 0.6;
    add_hopper_forward_only(models, samples, flash3, prior, device);
    add_hopper_forward_only(models, samples, cudnn, prior, device);
    return models;
}

std::vector<sim::AttentionModel> blackwell_attention(const Tables& tables, const Device& device) {
    std::vector<sim::AttentionModel> models;
    const auto samples =
        attention_samples(table_named(tables, "attention"), "b200", AttentionImplementation::cudnn);
    AttentionPrior prior;
    prior.forward_over_backward = 1.2;
    prior.forward_rows = 256;  // two tiles of 128 queries a block on Blackwell
    add(models,
        fit_attention(samples, AttentionImplementation::cudnn, 128, prior, device.at(Precision::bf16)),
        {"published", "fit to attention.csv (" + std::string(kSimuMax) + "/b200_bf16_ceperm.json), causal"});
    return models;
}

}  // namespace

std::vector<sim::AttentionModel> calibrate_attention(const std::string& gpu, const Tables& tables) {
    if (is_hopper(gpu)) return hopper_attention(tables);
    const Device device = device_named(tables, gpu);
    return gpu == "b200" ? blackwell_attention(tables, device) : a100_attention(tables, device);
}

}  // namespace orrery::profiler
