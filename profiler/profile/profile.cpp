#include "profiler/profile/profile.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "core/error.hpp"

namespace orrery::profiler {
namespace {

double elapsed_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int sets_for(const DesignPoint& point, const Backend& backend, int most) {
    if (point.cache == CacheState::hot) return 1;
    const double bytes = footprint(point.kernel_case);
    if (bytes <= 0) return 1;
    const double wanted = std::ceil(2 * backend.info().cache_bytes / bytes) + 1;
    return static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(most)));
}

/// Runs until `seconds` have passed, twice at least; returns how long one run took lately.
double warm_up(Backend& backend, PreparedKernel& kernel, double seconds) {
    double each = backend.time(kernel, 1, 0);
    double total = each;
    int runs = 1;
    do {
        each = backend.time(kernel, runs, 0) / runs;
        total += each * runs;
        runs = std::min(runs * 2, 64);
    } while (total < seconds);
    return each;
}

}  // namespace

Record measure(Backend& backend, const DesignPoint& point, const MeasureOptions& options) {
    Record out;
    out.kernel_case = point.kernel_case;
    out.cache = point.cache;
    if (point.kernel_case.operation == Operation::usable_memory) {
        out.amount = backend.usable_memory();
        return out;
    }
    const auto kernel = backend.prepare(point.kernel_case, sets_for(point, backend, options.most_sets));
    out.implementation = kernel->implementation();
    const double each = warm_up(backend, *kernel, options.warm_up_s);
    const int runs = static_cast<int>(std::clamp(std::ceil(options.least_batch_s / std::max(each, 1e-9)), 1.0,
                                                 static_cast<double>(options.most_runs)));
    StandardErrorRule rule(options.stop);
    int set = 0;
    while (!rule.finished()) {
        rule.add(backend.time(*kernel, runs, set) / runs, runs);
        set = (set + runs) % kernel->sets();
    }
    out.conditions = backend.conditions();
    out.time_s = summarize(rule.values());
    out.converged = rule.converged();
    Backend::Activity activity = backend.activity(*kernel);
    out.kernel_s = activity.kernel_s;
    out.launched = std::move(activity.kernels);
    return out;
}

ProfileSummary profile(Backend& backend, const std::vector<DesignPoint>& points, SampleFile& file,
                       const ProfileOptions& options, const std::function<void(std::size_t)>& progress) {
    ProfileSummary out;
    const auto begin = std::chrono::steady_clock::now();
    const DeviceInfo& device = backend.info();
    for (std::size_t i = 0; i < points.size(); ++i) {
        const DesignPoint& point = points[i];
        if (file.has(key_of(point.kernel_case, point.cache, device))) {
            ++out.already_there;
        } else if (!backend.supports(point.kernel_case)) {
            ++out.unsupported;
        } else if (options.budget_s > 0 && elapsed_since(begin) >= options.budget_s) {
            ++out.left;
        } else {
            try {
                Record record = measure(backend, point, options.measure);
                record.backend = device.backend;
                record.device = device.name;
                record.driver = device.driver;
                record.date = utc_now();
                record.command = options.command;
                file.append(record);
                ++out.measured;
            } catch (const ExperimentError& error) {
                out.failed.push_back(describe(point.kernel_case) + ": " + error.what());
            }
        }
        progress(i + 1);
    }
    return out;
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

}  // namespace orrery::profiler
