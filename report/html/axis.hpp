// report/html/axis.hpp
//
// Axes of the SVG pictures: round tick values, and positions.
#pragma once

#include <cstddef>
#include <vector>

namespace orrery::report {

/// Multiples of 1, 2 or 5 times a power of `base` (10, or 1024's powers of two for bytes) in [0, high]; about
/// `count` of them.
std::vector<double> linear_ticks(double high, int count, bool binary = false);

/// 1, 2 and 5 times powers of ten within [low, high]; only the powers when there are more than `most`.
std::vector<double> log_ticks(double low, double high, std::size_t most);

/// Maps [low, high] to [from, to], linearly or by logarithm.
class Axis {
  public:
    Axis(double low, double high, double from, double to, bool logarithmic = false);
    [[nodiscard]] double operator()(double value) const;

  private:
    double low_, high_, from_, to_;
    bool logarithmic_;
};

}  // namespace orrery::report
