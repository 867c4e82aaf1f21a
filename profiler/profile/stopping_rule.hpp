// profiler/profile/stopping_rule.hpp
//
// When a measurement has been repeated often enough: an object of its own, as nvbench has it. It is fed one
// value after the other and says when to stop.
#pragma once

#include <vector>

namespace orrery::profiler {

/// Middle value and spread of repeated measurements.
struct Statistics {
    int count = 0;
    double median = 0;
    double mean = 0;
    double standard_error = 0;  ///< of the mean
    /// Half the distance between the quartiles: the spread that a few slow repetitions do not move.
    double spread = 0;
};

Statistics summarize(std::vector<double> values);

struct StoppingLimits {
    double relative_error = 0.005;  ///< of the mean, as one standard error
    int least = 5;                  ///< repetitions
    int most = 200;
    double seconds = 0.5;  ///< measured time after which to stop whatever the error
};

/// Stops when the standard error of the mean falls below the asked share of it, at the earliest after `least`
/// values; at the latest after `most` values or `seconds` of them together (but never before two).
class StandardErrorRule {
  public:
    explicit StandardErrorRule(const StoppingLimits& limits) : limits_(limits) {}

    /// A repetition of `runs` runs that took `seconds_a_run` each.
    void add(double seconds_a_run, int runs = 1);
    [[nodiscard]] bool finished() const;
    /// The error is as small as asked; false when a limit ended it.
    [[nodiscard]] bool converged() const;
    [[nodiscard]] const std::vector<double>& values() const { return values_; }

  private:
    StoppingLimits limits_;
    std::vector<double> values_;
    double sum_ = 0;
    double squares_ = 0;  ///< of distances to the running mean (Welford 1962)
    double mean_ = 0;
};

}  // namespace orrery::profiler
