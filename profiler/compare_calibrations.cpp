#include "profiler/compare_calibrations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "profiler/kernels/kernel_case.hpp"
#include "sim/cost/calibration_names.hpp"
#include "sim/cost/kernel_cost.hpp"
#include "topologies/gpu_file.hpp"

namespace orrery::profiler {
namespace {

struct Side {
    const sim::Calibration& calibration;
    topologies::Gpu gpu;

    [[nodiscard]] double time(const Kernel& kernel) const {
        return sim::kernel_time(kernel, calibration, gpu);
    }

    [[nodiscard]] bool has_attention(AttentionImplementation implementation, bool backward,
                                     int head_dim) const {
        return std::any_of(calibration.attention.begin(), calibration.attention.end(),
                           [&](const sim::AttentionModel& model) {
                               return model.implementation == implementation && model.backward == backward &&
                                      model.head_dim == head_dim;
                           });
    }
};

double teraflops(const Kernel& kernel, const Side& side) {
    return kernel.flops / side.time(kernel) / 1e12;
}

void compare_products(const Side& a, const Side& b, std::vector<CalibrationDifference>& out) {
    for (const auto& [name, precision] : sim::precision_names()) {
        const bool in_a = a.calibration.gemm.contains(precision);
        const bool in_b = b.calibration.gemm.contains(precision);
        if (!in_a && !in_b) continue;
        for (const std::int64_t size : {1024, 4096, 8192}) {
            for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
                if (layout != GemmLayout::tn && size != 8192) continue;
                const Kernel kernel = gemm_case(precision, layout, 1, size, size, size).kernel;
                out.push_back({fmt::format("GEMM {} {} {}^3", name, to_string(layout), size), "TFLOP/s",
                               in_a ? teraflops(kernel, a) : 0, in_b ? teraflops(kernel, b) : 0});
            }
        }
    }
}

void compare_attention(const Side& a, const Side& b, std::vector<CalibrationDifference>& out) {
    std::set<std::tuple<AttentionImplementation, int, bool>> forms;
    for (const Side* side : {&a, &b}) {
        for (const sim::AttentionModel& model : side->calibration.attention) {
            forms.insert({model.implementation, model.head_dim, model.backward});
        }
    }
    for (const auto& [implementation, head_dim, backward] : forms) {
        Kernel kernel = attention_case(Precision::bf16, 1, 8192, 16, 16, head_dim, true, backward).kernel;
        kernel.attention = implementation;
        const auto rate = [&, which = implementation, direction = backward,
                           size = head_dim](const Side& side) {
            return side.has_attention(which, direction, size) ? teraflops(kernel, side) : 0;
        };
        out.push_back({fmt::format("attention {} d={} {}, 8k causal", sim::to_string(implementation),
                                   head_dim, backward ? "backward" : "forward"),
                       "TFLOP/s", rate(a), rate(b)});
    }
}

void compare_passes(const Side& a, const Side& b, std::vector<CalibrationDifference>& out) {
    for (const auto& [name, family] : sim::family_names()) {
        for (const double bytes : {1e5, 1e8}) {
            Kernel kernel;
            kernel.family = family;
            kernel.bytes = bytes;
            out.push_back({fmt::format("{} of {}", name, bytes < 1e6 ? "100 kB" : "100 MB"), "GB/s",
                           bytes / a.time(kernel) / 1e9, bytes / b.time(kernel) / 1e9});
        }
    }
}

}  // namespace

std::vector<CalibrationDifference> compare_calibrations(const sim::Calibration& a,
                                                        const sim::Calibration& b) {
    const Side left{a, topologies::load_gpu(a.gpu)};
    const Side right{b, topologies::load_gpu(b.gpu)};
    std::vector<CalibrationDifference> out;
    compare_products(left, right, out);
    compare_attention(left, right, out);
    compare_passes(left, right, out);
    for (const sim::HostKey& key : sim::kHostKeys) {
        out.push_back({fmt::format("host: {}", key.key), "us", (a.host.*(key.member)).seconds * 1e6,
                       (b.host.*(key.member)).seconds * 1e6});
    }
    return out;
}

}  // namespace orrery::profiler
