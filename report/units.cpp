#include "report/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery::report {
namespace {

/// `value` divided by the largest step not above it. `names` go from the base unit upwards.
template <std::size_t N>
std::string with_unit(double value, double step, const char* const (&names)[N]) {
    std::size_t index = 0;
    double size = std::abs(value);
    // 0.9995 rounds up to 1 of the next unit: never print "1000 k".
    while (index + 1 < N && size >= step * 0.9995) {
        size /= step;
        value /= step;
        ++index;
    }
    const std::string number = significant(value);
    return names[index][0] == '\0' ? number : number + " " + names[index];
}

}  // namespace

std::string significant(double value, int digits) {
    if (!std::isfinite(value)) return std::isnan(value) ? "n/a" : value > 0 ? "inf" : "-inf";
    if (value == 0) return "0";
    // Digits before the point after rounding: 99.96 counts as 100.0.
    const double rounded_up = std::abs(value) * (1 + 0.5 * std::pow(10.0, -digits));
    const int before = static_cast<int>(std::floor(std::log10(rounded_up))) + 1;
    return fmt::format("{:.{}f}", value, std::clamp(digits - before, 0, 12));
}

std::string duration(double seconds) {
    static constexpr const char* kNames[] = {"ns", "µs", "ms", "s"};
    if (seconds == 0) return "0 s";
    if (std::abs(seconds) >= 1e4) return grouped(std::llround(seconds)) + " s";
    return with_unit(seconds * 1e9, 1000, kNames);
}

std::string bytes(double count) {
    static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return with_unit(count, 1024, kNames);
}

std::string scaled(double value) {
    static constexpr const char* kNames[] = {"", "k", "M", "G", "T", "P"};
    if (std::abs(value) >= 1000 && std::abs(value) < 9999.5) return grouped(std::llround(value));
    return with_unit(value, 1000, kNames);
}

std::string trimmed(const std::string& number_with_unit) {
    const std::size_t point = number_with_unit.find('.');
    if (point == std::string::npos) return number_with_unit;
    const std::size_t end = std::min(number_with_unit.find(' ', point), number_with_unit.size());
    std::size_t last = number_with_unit.find_last_not_of('0', end - 1);
    if (last == point) --last;
    return number_with_unit.substr(0, last + 1) + number_with_unit.substr(end);
}

std::string grouped(std::int64_t value) {
    std::string digits = std::to_string(value);
    const std::size_t first = digits[0] == '-' ? 1 : 0;
    for (std::size_t place = digits.size(); place > first + 3;) digits.insert(place -= 3, ",");
    return digits;
}

std::string percent(double fraction) {
    return std::isfinite(fraction) ? fmt::format("{:.1f}%", fraction * 100) : "n/a";
}

std::string signed_percent(double fraction) {
    return std::isfinite(fraction) ? fmt::format("{:+.1f}%", fraction * 100) : "n/a";
}

}  // namespace orrery::report
