#include "report/html/axis.hpp"

#include <cmath>

namespace orrery::report {

std::vector<double> linear_ticks(double high, int count, bool binary) {
    std::vector<double> ticks{0};
    if (!(high > 0)) return ticks;
    const double rough = high / count;
    double step = 0;
    if (binary) {
        step = std::pow(2.0, std::ceil(std::log2(rough)));
    } else {
        const double power = std::pow(10.0, std::floor(std::log10(rough)));
        const double mantissa = rough / power;
        step = power * (mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10);
    }
    for (int i = 1; i * step <= high * (1 + 1e-9); ++i) ticks.push_back(i * step);
    return ticks;
}

std::vector<double> log_ticks(double low, double high, std::size_t most) {
    std::vector<double> all;
    std::vector<double> powers;
    const int first = static_cast<int>(std::floor(std::log10(low)));
    const int last = static_cast<int>(std::ceil(std::log10(high)));
    for (int exponent = first; exponent <= last; ++exponent) {
        for (const double digit : {1.0, 2.0, 5.0}) {
            const double value = digit * std::pow(10.0, exponent);
            if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
            all.push_back(value);
            if (digit == 1.0) powers.push_back(value);
        }
    }
    return all.size() > most ? powers : all;
}

Axis::Axis(double low, double high, double from, double to, bool logarithmic)
    : low_(logarithmic ? std::log(low) : low),
      high_(logarithmic ? std::log(high) : high),
      from_(from),
      to_(to),
      logarithmic_(logarithmic) {}

double Axis::operator()(double value) const {
    if (!(high_ > low_)) return from_;
    return from_ + ((logarithmic_ ? std::log(value) : value) - low_) / (high_ - low_) * (to_ - from_);
}

}  // namespace orrery::report
