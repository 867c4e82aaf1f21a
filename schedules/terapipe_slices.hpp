// schedules/terapipe_slices.hpp
//
// TeraPipe's dynamic program (Li et al. 2021, section 3.3): how to cut a batch into groups of sequences and
// each group's tokens into slices, of unequal length since later tokens attend to more. A pipeline of K cells
// takes sum(t_i) + (K-1) max(t_i) for slices of times t_i; for every bound on max(t_i) the smallest sum is
// found by dynamic programming over prefixes, then over numbers of sequences.
#pragma once

#include <functional>
#include <vector>

namespace orrery::schedules {

/// Time of a slice: sequences in the group, tokens in the slice, tokens before it. Not negative.
using SliceTime = std::function<double(int sequences, int tokens, int context)>;

struct SliceGroup {
    int sequences = 1;
    std::vector<int> lengths;  ///< tokens of each slice, in order
};

struct SlicePlan {
    double time = 0;  ///< sum + (K-1) max
    std::vector<SliceGroup> groups;
};

/// The optimum over all cuts at multiples of `step` tokens. `depth` is K. Throws InputError when a size is
/// below 1, when `step` does not divide `tokens`, or beyond 512 steps. O(B n^4) for n steps and B sequences
/// at worst, cut short since larger bounds soon cost more than the best plan.
SlicePlan best_slices(int tokens, int batch, int depth, int step, const SliceTime& time);

}  // namespace orrery::schedules
