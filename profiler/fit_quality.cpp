#include "profiler/fit_quality.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace orrery::profiler {

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const double at = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

std::string describe(const Sample& sample) {
    const Kernel& k = sample.kernel;
    char text[128];
    switch (k.kind) {
        case KernelKind::memory_bound:
            std::snprintf(text, sizeof text, "%.4g bytes", k.bytes);
            break;
        case KernelKind::attention:
            std::snprintf(text, sizeof text, "seq=%lld heads=%lld head_dim=%lld%s",
                          static_cast<long long>(k.m), static_cast<long long>(k.heads),
                          static_cast<long long>(k.k), k.causal ? " causal" : "");
            break;
        default: {
            static constexpr const char* kLayouts[] = {"tn", "nn", "nt"};
            std::snprintf(text, sizeof text, "batch=%lld m=%lld n=%lld k=%lld %s",
                          static_cast<long long>(k.batch), static_cast<long long>(k.m),
                          static_cast<long long>(k.n), static_cast<long long>(k.k),
                          kLayouts[static_cast<std::size_t>(k.layout)]);
        }
    }
    return text;
}

sim::FitQuality measure_quality(const std::vector<Sample>& samples, const Predict& predict) {
    sim::FitQuality quality;
    std::vector<double> errors;
    for (const Sample& sample : samples) {
        const double error = std::abs(predict(sample) / sample.time_s - 1);
        errors.push_back(error);
        if (error > quality.worst_error) {
            quality.worst_error = error;
            quality.worst_sample = describe(sample);
        }
    }
    quality.samples = static_cast<int>(samples.size());
    quality.median_error = quantile(errors, 0.5);
    quality.p90_error = quantile(errors, 0.9);
    return quality;
}

sim::Range range_of(const std::vector<Sample>& samples, const std::function<double(const Sample&)>& value) {
    sim::Range range;
    for (const Sample& sample : samples) {
        const double x = value(sample);
        if (range.high == 0 || x < range.low) range.low = x;
        range.high = std::max(range.high, x);
    }
    return range;
}

}  // namespace orrery::profiler
