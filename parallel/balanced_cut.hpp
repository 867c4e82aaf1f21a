// parallel/balanced_cut.hpp
//
// A sequence of pieces of work cut into contiguous parts.
#pragma once

#include <span>
#include <vector>

namespace orrery::parallel {

/// Pieces of each part, none empty, such that the largest part has least work and, of such cuts, the sum of
/// squares of the parts' work is least. 1 <= parts <= work.size(). A dynamic program, O(parts x pieces^2).
std::vector<int> balanced_cut(std::span<const double> work, int parts);

/// Work of the largest part.
double largest_part(std::span<const double> work, std::span<const int> sizes);

}  // namespace orrery::parallel
