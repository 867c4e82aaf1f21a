// Ranges of `vary:`.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "study/sweep/grid.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kMostValues = 100'000;
constexpr double kMeets = 1e-9;  ///< of a step
constexpr double kExact = 1e15;  ///< integers that doubles hold

double number_of(const yaml::Node& node, const std::string& key) {
    double value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [rest, error] = std::from_chars(node.text.data(), end, value);
    if (node.kind != yaml::Kind::scalar || error != std::errc() || rest != end || !std::isfinite(value)) {
        throw InputError(node.where(), key, "expected a number");
    }
    return value;
}

std::optional<double> optional_number(const yaml::Node& range, const std::string& key,
                                      std::string_view part) {
    const yaml::Node* node = range.find(part);
    if (node == nullptr) return std::nullopt;
    return number_of(*node, fmt::format("{}.{}", key, part));
}

double required_number(const yaml::Node& range, const std::string& key, std::string_view part) {
    const auto value = optional_number(range, key, part);
    if (!value) {
        throw InputError(range.where(), fmt::format("{}.{}", key, part),
                         "is missing; a range reads {from: 1, to: 64, times: 2}");
    }
    return *value;
}

struct Range {
    double from = 0;
    double to = 0;
    std::optional<double> step;
    std::optional<double> times;
    std::optional<double> steps;
    bool log = false;
};

void check_parts(const yaml::Node& range, const std::string& key) {
    static const std::vector<std::string> parts = {"from", "to", "step", "times", "steps", "scale"};
    for (const yaml::Node& child : range.children) {
        if (std::find(parts.begin(), parts.end(), child.key) != parts.end()) continue;
        throw InputError(child.key_where(), key + "." + child.key,
                         unknown_name("part of a range", child.key, parts));
    }
}

Range read_range(const yaml::Node& node, const std::string& key) {
    check_parts(node, key);
    Range range;
    range.from = required_number(node, key, "from");
    range.to = required_number(node, key, "to");
    range.step = optional_number(node, key, "step");
    range.times = optional_number(node, key, "times");
    range.steps = optional_number(node, key, "steps");
    if (const yaml::Node* scale = node.find("scale")) {
        if (scale->text != "log" && scale->text != "linear") {
            throw InputError(scale->where(), key + ".scale", "expected linear or log");
        }
        range.log = scale->text == "log";
    }
    const int given = static_cast<int>(range.step.has_value()) + static_cast<int>(range.times.has_value()) +
                      static_cast<int>(range.steps.has_value());
    if (given != 1) {
        throw InputError(node.where(), key,
                         "expected one of step (what is added), times (the factor), steps (how many values)");
    }
    return range;
}

std::vector<double> by_step(const Range& r, const yaml::Node& node, const std::string& key) {
    const double step = *r.step;
    if (step == 0 || (r.to - r.from) / step < 0) {
        throw InputError(node.where(), key + ".step", "does not lead from `from` to `to`");
    }
    const double count = std::floor((r.to - r.from) / step + kMeets);
    if (count >= static_cast<double>(kMostValues)) {
        throw InputError(node.where(), key, fmt::format("more than {} values", kMostValues));
    }
    std::vector<double> values;
    for (double i = 0; i <= count; ++i) values.push_back(r.from + i * step);
    return values;
}

std::vector<double> by_factor(const Range& r, const yaml::Node& node, const std::string& key) {
    const double times = *r.times;
    const bool leads = times > 0 && times != 1 && r.from * r.to > 0 && (r.to / r.from >= 1) == (times > 1);
    if (!leads && r.from != r.to) {
        throw InputError(node.where(), key + ".times", "does not lead from `from` to `to`");
    }
    const double count = r.from == r.to ? 0 : std::floor(std::log(r.to / r.from) / std::log(times) + kMeets);
    if (count >= static_cast<double>(kMostValues)) {
        throw InputError(node.where(), key, fmt::format("more than {} values", kMostValues));
    }
    std::vector<double> values;
    double value = r.from;
    for (double i = 0; i <= count; ++i, value *= times) values.push_back(value);
    return values;
}

std::vector<double> by_count(const Range& r, const yaml::Node& node, const std::string& key) {
    const double count = *r.steps;
    if (count < 2 || count != std::floor(count) || count > static_cast<double>(kMostValues)) {
        throw InputError(node.where(), key + ".steps",
                         fmt::format("expected an integer from 2 to {}", kMostValues));
    }
    if (r.log && (r.from <= 0 || r.to <= 0)) {
        throw InputError(node.where(), key, "a logarithmic range needs ends above 0");
    }
    std::vector<double> values;
    for (double i = 0; i < count; ++i) {
        const double share = i / (count - 1);
        values.push_back(r.log ? r.from * std::pow(r.to / r.from, share) : r.from + share * (r.to - r.from));
    }
    values.back() = r.to;
    return values;
}

std::string text_of(double value) {
    const double whole = std::round(value);
    if (std::abs(value - whole) <= kMeets * std::abs(whole) && std::abs(whole) < kExact) {
        return fmt::format("{:.0f}", whole);
    }
    return fmt::format("{}", value);
}

}  // namespace

std::vector<yaml::Node> range_values(const yaml::Node& node, const std::string& key) {
    const Range range = read_range(node, key);
    const std::vector<double> numbers = range.step    ? by_step(range, node, key)
                                        : range.times ? by_factor(range, node, key)
                                                      : by_count(range, node, key);
    std::vector<yaml::Node> values;
    for (const double number : numbers) {
        yaml::Node value = node;
        value.children.clear();
        value.kind = yaml::Kind::scalar;
        value.text = text_of(number);
        values.push_back(std::move(value));
    }
    return values;
}

}  // namespace orrery::study
