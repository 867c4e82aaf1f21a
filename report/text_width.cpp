#include "report/text_width.hpp"

#include <algorithm>
#include <cstdint>

namespace orrery::report {
namespace {

struct CodePoint {
    std::uint32_t value = 0;
    std::size_t bytes = 1;
    bool valid = true;
};

/// The code point at the start of `text` (not empty). Rejects overlong forms and surrogates.
CodePoint decode(std::string_view text) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1, true};
    const std::size_t length = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (length == 0 || lead >= 0xF5 || text.size() < length) return {0xFFFD, 1, false};
    std::uint32_t value = lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {0xFFFD, 1, false};
        value = value << 6 | (byte(i) & 0x3Fu);
    }
    static constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kSmallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        return {0xFFFD, 1, false};
    }
    return {value, length, true};
}

struct Range {
    std::uint32_t first;
    std::uint32_t last;
};

template <std::size_t N>
bool within(std::uint32_t value, const Range (&ranges)[N]) {
    return std::any_of(std::begin(ranges), std::end(ranges),
                       [value](Range range) { return value >= range.first && value <= range.last; });
}

// Unicode 15: blocks of combining marks and zero-width characters; blocks of width W or F (UAX 11).
constexpr Range kNoWidth[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
                              {0x064B, 0x065F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
                              {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F},
                              {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},  {0x3400, 0x4DBF},
                           {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},  {0xF900, 0xFAFF},
                           {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                           {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

std::size_t width_of(const CodePoint& point) {
    if (!point.valid) return 1;
    if (within(point.value, kNoWidth)) return 0;
    return within(point.value, kWide) ? 2 : 1;
}

bool is_control(std::uint32_t value) {
    // Bidirectional overrides too: they make a terminal show another text than the one written.
    return value < 0x20 || (value >= 0x7F && value < 0xA0) || (value >= 0x202A && value <= 0x202E) ||
           (value >= 0x2066 && value <= 0x2069);
}

/// Byte offset at which the first line of `text` ends so that it takes at most `width` columns.
std::size_t first_line_end(std::string_view text, std::size_t width) {
    std::size_t columns = 0;
    std::size_t at_space = 0;
    std::size_t at_joint = 0;
    for (std::size_t i = 0; i < text.size();) {
        const CodePoint point = decode(text.substr(i));
        columns += width_of(point);
        if (text[i] == ' ') at_space = i;
        if (columns > width)
            return at_space > 0 ? at_space : at_joint > 0 ? at_joint : std::max<std::size_t>(i, 1);
        i += point.bytes;
        if (point.value == '/' || point.value == '_' || point.value == '-') at_joint = i;
    }
    return text.size();
}

}  // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const CodePoint point = decode(text);
        width += width_of(point);
        text.remove_prefix(point.bytes);
    }
    return width;
}

std::string printable(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const CodePoint point = decode(text);
        safe += point.valid && !is_control(point.value) ? std::string(text.substr(0, point.bytes)) : "\uFFFD";
        text.remove_prefix(point.bytes);
    }
    return safe;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    width = std::max<std::size_t>(width, 2);
    if (display_width(text) <= width) return {std::string(text)};
    std::vector<std::string> lines;
    while (true) {
        const std::size_t end = first_line_end(text, width);
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end);
        while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
        while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
        lines.emplace_back(line);
        if (text.empty()) return lines;
    }
}

}  // namespace orrery::report
