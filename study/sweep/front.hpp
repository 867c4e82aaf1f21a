// study/sweep/front.hpp
//
// The Pareto front of several objectives.
#pragma once

#include <cstddef>
#include <vector>

namespace orrery::study {

/// The indices of the points that no other beats: none is at least as good in every coordinate (smaller is
/// better) and better in one. Sorted by the first coordinate, then the next, then the index; of points alike
/// in all coordinates every one stays. Points with a NaN are left out. O(n log n + n x front).
std::vector<std::size_t> pareto_front(const std::vector<std::vector<double>>& points);

}  // namespace orrery::study
