// core/nearest_name.hpp
//
// What the user probably meant: the valid name at the smallest edit distance (insert, delete, replace, swap
// of neighbours; Damerau 1964 in its "optimal string alignment" form), case ignored.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace orrery {

/// The nearest of `names`, or none when even that differs in more than a third of its letters. The first of
/// equals.
std::optional<std::string> nearest_name(std::string_view written, std::span<const std::string> names);

/// "unknown model 'gtp3'; did you mean 'gpt3'? (allowed: gpt3, mpt-7b)". Long lists are cut after the first
/// 40 names, and a name that cannot be printed on one short line is shortened.
std::string unknown_name(std::string_view what, std::string_view written, std::span<const std::string> names);

}  // namespace orrery
