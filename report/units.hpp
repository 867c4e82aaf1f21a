// report/units.hpp
//
// Numbers as people read them: three significant digits and a scaled unit. Files keep SI base units; only
// what is printed passes through here. The same input gives the same text on every machine.
#pragma once

#include <cstdint>
#include <string>

namespace orrery::report {

/// 17.4 s, 3.21 ms, 840 µs, 12.0 ns.
std::string duration(double seconds);
/// 1.50 GiB, 640 MiB; binary multiples, as GPU memories are counted.
std::string bytes(double count);
/// 183 k, 1.20 M; plain up to 9,999.
std::string scaled(double value);
/// 1,536,000
std::string grouped(std::int64_t value);
/// 45.2% of the fraction 0.452
std::string percent(double fraction);
/// +3.2%, -0.5%
std::string signed_percent(double fraction);
/// "5.00 s" as "5 s", "1.50 GiB" as "1.5 GiB": for the ticks of an axis, which are round numbers.
std::string trimmed(const std::string& number_with_unit);
/// `digits` significant digits, never in exponent form: 142, 45.2, 0.0312.
std::string significant(double value, int digits = 3);

}  // namespace orrery::report
