// report/text_width.hpp
//
// Columns a text takes on a terminal. UTF-8 aware: combining marks take none, East Asian wide characters and
// emoji two. Independent of the locale. Bytes that are not UTF-8 take one column each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::report {

/// Columns of `text`, which holds no line break.
std::size_t display_width(std::string_view text);

/// `text` with control characters (escape sequences of a hostile file among them) and broken UTF-8 replaced
/// by U+FFFD. Safe to print.
std::string printable(std::string_view text);

/// Lines of at most `width` columns: broken at spaces, after '/' and '_' and '-' where there is none, inside
/// a word as a last resort. Never empty; never cuts a character. `width` >= 2.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

}  // namespace orrery::report
