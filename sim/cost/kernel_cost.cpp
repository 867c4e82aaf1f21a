#include "sim/cost/kernel_cost.hpp"

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "sim/cost/attention_cost.hpp"
#include "sim/cost/gemm_cost.hpp"

namespace orrery::sim {
namespace {

void flag(KernelPrice& price, const std::string& why) {
    price.extrapolated = true;
    if (!price.why.empty()) price.why += "; ";
    price.why += why;
}

/// A sample range is trusted a factor of four beyond its ends: the models are physical, not tables.
constexpr double kTrusted = 4;

void check_range(KernelPrice& price, double value, const Range& range, const char* what) {
    if (range.high <= 0) return;
    if (value < range.low / kTrusted) flag(price, std::string(what) + " smaller than any calibrated one");
    if (value > range.high * kTrusted) flag(price, std::string(what) + " larger than any calibrated one");
}

/// The model of the kernel's precision, or of the nearest one that the calibration has.
template <class Model>
const Model& model_for(const Kernel& kernel, const std::map<Precision, Model>& models, const char* what,
                       KernelPrice& price) {
    if (models.empty()) throw ExperimentError(std::string("the calibration has no model for ") + what);
    const auto exact = models.find(kernel.precision);
    if (exact != models.end()) return exact->second;
    const bool sixteen = kernel.precision == Precision::bf16 || kernel.precision == Precision::fp16;
    for (const Precision other : {Precision::bf16, Precision::fp16}) {
        const auto found = models.find(other);
        if (found == models.end()) continue;
        if (!sixteen) flag(price, std::string(what) + " priced with 16-bit efficiency");
        return found->second;
    }
    flag(price, std::string(what) + " priced with another precision's efficiency");
    return models.begin()->second;
}

void price_gemm(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu,
                KernelPrice& price) {
    const GemmModel& model = model_for(kernel, calibration.gemm, "GEMM", price);
    price.device_s =
        gemm_time(kernel, model, gemm_device(gpu, kernel.precision)) * lattice_ratio(kernel, model.lattice);
    check_range(price,
                2.0 * static_cast<double>(kernel.batch * kernel.m) * static_cast<double>(kernel.n * kernel.k),
                model.flops, "GEMM");
}

void price_grouped_gemm(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu,
                        KernelPrice& price) {
    const GemmModel& dense = model_for(kernel, calibration.gemm, "GEMM", price);
    GroupedGemmModel plain;
    const bool known = !calibration.grouped_gemm.empty();
    if (!known) flag(price, "grouped GEMM priced as batched");
    const GroupedGemmModel& grouped =
        known ? model_for(kernel, calibration.grouped_gemm, "grouped GEMM", price) : plain;
    price.device_s = grouped_gemm_time(kernel, grouped, dense, gemm_device(gpu, kernel.precision));
    check_range(price,
                2.0 * static_cast<double>(kernel.batch * kernel.m) * static_cast<double>(kernel.n * kernel.k),
                grouped.flops, "grouped GEMM");
}

void price_attention(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu,
                     KernelPrice& price) {
    const auto chosen = choose_attention(kernel, calibration.attention);
    if (!chosen) throw ExperimentError("the calibration has no model for attention");
    if (!chosen->exact) flag(price, "attention priced with a relative's efficiency");
    price.device_s = attention_time(kernel, chosen->model, gemm_device(gpu, kernel.precision));
    check_range(price, attention_flops(kernel), chosen->model.flops, "attention");
}

void price_memory_bound(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu,
                        KernelPrice& price) {
    const MemoryModel& model = calibration.memory[static_cast<std::size_t>(kernel.family)];
    if (model.bandwidth <= 0) throw ExperimentError("the calibration has no model for memory-bound kernels");
    price.device_s = model.fixed_s + kernel.bytes / (model.bandwidth * gpu.memory_bandwidth);
    if (kernel.bytes > model.bytes.high * kTrusted) check_range(price, kernel.bytes, model.bytes, "kernel");
}

}  // namespace

double host_time(const Kernel& kernel, const Calibration& calibration) {
    const HostModel& host = calibration.host;
    const bool optimizer =
        kernel.kind == KernelKind::memory_bound && kernel.family == MemoryFamily::optimizer;
    const HostTime& each = optimizer         ? host.optimizer_operator
                           : kernel.backward ? host.backward_operator
                                             : host.forward_operator;
    return kernel.host_operations * each.seconds;
}

KernelPrice price_kernel(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu) {
    KernelPrice price;
    price.host_s = host_time(kernel, calibration);
    switch (kernel.kind) {
        case KernelKind::gemm:
            price_gemm(kernel, calibration, gpu, price);
            break;
        case KernelKind::grouped_gemm:
            price_grouped_gemm(kernel, calibration, gpu, price);
            break;
        case KernelKind::attention:
            price_attention(kernel, calibration, gpu, price);
            break;
        case KernelKind::memory_bound:
            price_memory_bound(kernel, calibration, gpu, price);
            break;
        case KernelKind::host_only:
            break;
    }
    return price;
}

double kernel_time(const Kernel& kernel, const Calibration& calibration, const topologies::Gpu& gpu) {
    return price_kernel(kernel, calibration, gpu).device_s;
}

WorkCost price_sequence(const KernelSequence& sequence, const Calibration& calibration,
                        const topologies::Gpu& gpu, std::set<std::string>* notes) {
    std::vector<KernelTime> times;
    times.reserve(sequence.kernels.size());
    for (const Kernel& kernel : sequence.kernels) {
        const KernelPrice price = price_kernel(kernel, calibration, gpu);
        if (notes != nullptr && price.extrapolated) notes->insert(price.why);
        times.push_back({price.host_s, price.device_s});
    }
    return sequence_cost(times);
}

}  // namespace orrery::sim
