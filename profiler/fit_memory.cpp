#include "profiler/fit_memory.hpp"

#include <cmath>
#include <map>

#include "profiler/fit_quality.hpp"
#include "profiler/least_squares.hpp"

namespace orrery::profiler {

sim::MemoryModel fit_memory(const std::vector<Sample>& samples, MemoryFamily family,
                            const sim::MemoryModel& prior, double peak_bandwidth) {
    using Eigen::VectorXd;
    std::vector<Sample> used;
    for (const Sample& sample : samples) {
        if (sample.kernel.family == family) used.push_back(sample);
    }
    if (used.empty()) return prior;
    VectorXd center(3);  // logs of fixed time, bandwidth fraction, call time
    center << std::log(prior.fixed_s), std::log(prior.bandwidth), std::log(20e-6);
    VectorXd spread(3);
    spread << 0.3, 0.1, 1.5;
    const auto time = [&](const Sample& sample, const VectorXd& p) {
        return std::exp(p[0]) + sample.kernel.bytes / (std::exp(p[1]) * peak_bandwidth) +
               (sample.timed_by_call ? std::exp(p[2]) : 0);
    };
    std::map<std::string, double> rows_of;
    for (const Sample& sample : used) rows_of[sample.what] += 1;
    LeastSquares problem;
    problem.huber = 1;  // operators of a family differ honestly: take their mean, not the majority's
    problem.start = center;
    problem.residuals = [&](const VectorXd& p) {
        VectorXd out(static_cast<Eigen::Index>(used.size()) + 3);
        for (std::size_t i = 0; i < used.size(); ++i) {
            out[static_cast<Eigen::Index>(i)] =
                std::log(time(used[i], p) / used[i].time_s) / std::sqrt(rows_of.at(used[i].what));
        }
        out.tail(3) = 0.02 * (p - center).cwiseQuotient(spread);
        return out;
    };
    const VectorXd p = minimize(problem);
    sim::MemoryModel model = prior;
    model.fixed_s = std::exp(p[0]);
    model.bandwidth = std::exp(p[1]);
    model.bytes = range_of(used, [](const Sample& s) { return s.kernel.bytes; });
    model.quality = measure_quality(used, [&](const Sample& s) { return time(s, p); });
    return model;
}

}  // namespace orrery::profiler
