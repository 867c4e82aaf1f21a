#include "cli/byte_count.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/error.hpp"

namespace orrery::cli {
namespace {

/// Bytes of a unit in lower case; nothing where it is none.
std::optional<double> unit_bytes(const std::string& unit) {
    if (unit.empty() || unit == "b") return 1;
    const std::size_t power = std::string("kmgt").find(unit[0]);
    if (power == std::string::npos) return std::nullopt;
    const std::string rest = unit.substr(1);
    if (rest.empty() || rest == "i" || rest == "ib") return std::pow(1024.0, static_cast<double>(power + 1));
    if (rest == "b") return std::pow(1000.0, static_cast<double>(power + 1));
    return std::nullopt;
}

}  // namespace

std::uint64_t byte_count(const std::string& text, const std::string& option) {
    constexpr double kMost = 0x1p63;
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string unit(error == std::errc{} ? end : text.data(), text.data() + text.size());
    if (!unit.empty() && unit[0] == ' ') unit.erase(0, 1);
    for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::optional<double> factor = error == std::errc{} ? unit_bytes(unit) : std::nullopt;
    const double bytes = factor ? number * *factor : 0;
    if (!(bytes >= 1) || bytes >= kMost || bytes != std::floor(bytes))
        throw InputError({}, option,
                         fmt::format("expected a number of bytes, as 1048576, 64MiB or 1GB, got '{}'", text));
    return static_cast<std::uint64_t>(bytes);
}

}  // namespace orrery::cli
