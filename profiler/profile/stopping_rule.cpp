#include "profiler/profile/stopping_rule.hpp"

#include <algorithm>
#include <cmath>

#include "profiler/fit_quality.hpp"

namespace orrery::profiler {

Statistics summarize(std::vector<double> values) {
    Statistics out;
    out.count = static_cast<int>(values.size());
    if (values.empty()) return out;
    const auto count = static_cast<double>(values.size());
    for (const double value : values) out.mean += value / count;
    double squares = 0;
    for (const double value : values) squares += (value - out.mean) * (value - out.mean);
    if (values.size() > 1) out.standard_error = std::sqrt(squares / (count - 1) / count);
    out.median = quantile(values, 0.5);
    out.spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
    return out;
}

void StandardErrorRule::add(double seconds_a_run, int runs) {
    values_.push_back(seconds_a_run);
    sum_ += seconds_a_run * runs;
    const double before = seconds_a_run - mean_;
    mean_ += before / static_cast<double>(values_.size());
    squares_ += before * (seconds_a_run - mean_);
}

bool StandardErrorRule::converged() const {
    const auto count = static_cast<double>(values_.size());
    if (count < std::max(limits_.least, 2)) return false;
    return std::sqrt(squares_ / (count - 1) / count) <= limits_.relative_error * mean_;
}

bool StandardErrorRule::finished() const {
    if (values_.size() < 2) return false;
    return converged() || static_cast<int>(values_.size()) >= limits_.most || sum_ >= limits_.seconds;
}

}  // namespace orrery::profiler
