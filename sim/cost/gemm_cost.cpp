#include "sim/cost/gemm_cost.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

constexpr double kCorner = 8;   // exponent of the soft maximum
constexpr int kMaxSplits = 16;  // of k
constexpr double kMinSplitK = 512;

struct Product {
    double batch = 0;
    double m = 0;
    double n = 0;
    double k = 0;

    [[nodiscard]] double flops() const { return 2 * batch * m * n * k; }
};

Product product_of(const Kernel& kernel) {
    return {static_cast<double>(std::max<std::int64_t>(kernel.batch, 1)), static_cast<double>(kernel.m),
            static_cast<double>(kernel.n), static_cast<double>(kernel.k)};
}

/// Waves of `blocks` thread blocks, the last one counted in full.
double waves_of(double blocks, const GemmDevice& device) {
    return std::ceil(blocks / device.multiprocessors);
}

/// Best time over tiles and splits of k, compute only.
double wave_time(const Product& p, const GemmModel& model, const GemmDevice& device) {
    const double per_multiprocessor = device.peak_flops / device.multiprocessors;
    double best = std::numeric_limits<double>::infinity();
    for (const GemmTile& tile : model.tiles) {
        const double tiles = std::ceil(p.m / tile.m) * std::ceil(p.n / tile.n) * p.batch;
        const double step_s = 2.0 * tile.m * tile.n / (per_multiprocessor * tile.efficiency);
        for (int splits = 1; splits <= kMaxSplits; splits *= 2) {
            if (splits > 1 && (p.k / splits < kMinSplitK || tiles >= 2.0 * device.multiprocessors)) break;
            double time = waves_of(tiles * splits, device) * (p.k / splits + model.prologue_k) * step_s;
            if (splits > 1) {  // fp32 partial sums, written once and read once
                time +=
                    2.0 * splits * 4.0 * p.batch * p.m * p.n / (device.memory_bandwidth * model.bandwidth);
            }
            best = std::min(best, time);
        }
    }
    return best;
}

/// Bytes of the operands, each read once; of the output, written once and read too when accumulating.
double operand_bytes(const Product& p, Precision precision) {
    return p.batch * bytes_of(precision) * (p.m * p.k + p.k * p.n);
}

double output_bytes(const Product& p, const Kernel& kernel) {
    return p.batch * p.m * p.n * bytes_of(kernel.output) * (kernel.accumulate ? 2 : 1);
}

double soft_maximum(double a, double b, double c) {
    const double top = std::max({a, b, c});
    if (top <= 0) return 0;
    const auto part = [top](double x) { return std::pow(x / top, kCorner); };
    return top * std::pow(part(a) + part(b) + part(c), 1 / kCorner);
}

/// Tensor cores want rows that start at 16-byte boundaries. Elements of alignment of the contiguous
/// dimensions, column-major: k of both operands and m of the output in tn; m of an operand and of the output
/// and k of the other in nn; m, n and m in nt.
double alignment_factor(const Kernel& kernel, const GemmModel& model) {
    const std::int64_t dimensions = kernel.m | (kernel.layout == GemmLayout::nt ? kernel.n : kernel.k);
    const std::int64_t full = 16 / bytes_of(kernel.precision);
    if (dimensions % full == 0) return 1;
    if (dimensions % 4 == 0) return model.unaligned[0];
    if (dimensions % 2 == 0) return model.unaligned[1];
    return model.unaligned[2];
}

}  // namespace

double gemm_time(const Kernel& kernel, const GemmModel& model, const GemmDevice& device) {
    const Product p = product_of(kernel);
    if (p.m <= 0 || p.n <= 0 || p.k <= 0) return 0;
    const double output = output_bytes(p, kernel);
    const double exposed = model.exposed_output * output / device.memory_bandwidth;
    const double waves = wave_time(p, model, device) + exposed;
    const double power = p.flops() / (model.sustained * device.peak_flops) + exposed;
    const double traffic =
        (operand_bytes(p, kernel.precision) + output) / (device.memory_bandwidth * model.bandwidth);
    return model.layout[static_cast<std::size_t>(kernel.layout)] * alignment_factor(kernel, model) *
           (model.fixed_s + soft_maximum(waves, power, traffic));
}

double grouped_gemm_time(const Kernel& kernel, const GroupedGemmModel& grouped, const GemmModel& dense,
                         const GemmDevice& device) {
    const Product p = product_of(kernel);
    if (p.m <= 0 || p.n <= 0 || p.k <= 0) return 0;
    const double traffic = (operand_bytes(p, kernel.precision) + output_bytes(p, kernel)) /
                           (device.memory_bandwidth * grouped.bandwidth);
    // A group's rows are its tokens: as many as were routed to it, wherever they are aligned. As a dense
    // product they are its columns.
    Kernel columns = kernel;
    std::swap(columns.m, columns.n);
    const double compute = grouped.slowdown * (gemm_time(columns, dense, device) - dense.fixed_s);
    return dense.fixed_s + p.batch * grouped.per_group_s + soft_maximum(compute, traffic, 0);
}

GemmDevice gemm_device(const topologies::Gpu& gpu, Precision precision) {
    static const std::map<Precision, std::vector<const char*>> kAcceptable = {
        {Precision::bf16, {"bf16", "fp16", "tf32", "fp32"}},
        {Precision::fp16, {"fp16", "bf16", "tf32", "fp32"}},
        {Precision::fp8, {"fp8", "bf16", "fp16", "fp32"}},
        {Precision::tf32, {"tf32", "fp32"}},
        {Precision::fp32, {"fp32"}},
    };
    for (const char* name : kAcceptable.at(precision)) {
        const auto found = gpu.peak_flops.find(name);
        if (found != gpu.peak_flops.end() && found->second > 0) {
            return {found->second, gpu.memory_bandwidth, gpu.multiprocessors};
        }
    }
    throw ExperimentError("GPU " + gpu.name + " has no peak rate for this precision");
}

}  // namespace orrery::sim
