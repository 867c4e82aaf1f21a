#include "core/nearest_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace orrery {
namespace {

constexpr std::size_t kLongestName = 80;
constexpr std::size_t kNamesListed = 40;

char lower(char letter) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

/// Edits that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            const bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

/// One short printable line, whatever the user wrote.
std::string printable(std::string_view written) {
    std::string text;
    for (const char letter : written.substr(0, kLongestName)) {
        text += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? '?' : letter;
    }
    if (written.size() > kLongestName) {
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) text.pop_back();
        text += "...";
    }
    return text;
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view written, std::span<const std::string> names) {
    if (written.empty() || written.size() > kLongestName) return std::nullopt;
    const std::string* nearest = nullptr;
    std::size_t smallest = 0;
    for (const std::string& name : names) {
        if (name.size() > kLongestName) continue;
        const std::size_t distance = edit_distance(written, name);
        if (nearest == nullptr || distance < smallest) {
            nearest = &name;
            smallest = distance;
        }
    }
    if (nearest == nullptr) return std::nullopt;
    const std::size_t tolerated = std::max<std::size_t>(1, std::max(written.size(), nearest->size()) / 3);
    if (smallest > tolerated || smallest >= nearest->size()) return std::nullopt;
    return *nearest;
}

std::string unknown_name(std::string_view what, std::string_view written,
                         std::span<const std::string> names) {
    std::string text = fmt::format("unknown {} '{}'", what, printable(written));
    if (const auto nearest = nearest_name(written, names))
        text += fmt::format("; did you mean '{}'?", *nearest);
    if (names.empty()) return text;
    const auto listed = names.first(std::min(names.size(), kNamesListed));
    text += fmt::format(" (allowed: {}", fmt::join(listed, ", "));
    if (listed.size() < names.size()) text += fmt::format(" and {} more", names.size() - listed.size());
    return text + ")";
}

}  // namespace orrery
