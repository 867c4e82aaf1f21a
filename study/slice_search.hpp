// study/slice_search.hpp
//
// TeraPipe's slices of unequal length (Li et al. 2021, section 3.3) for an experiment: the dynamic program of
// schedules/terapipe_slices.hpp, fed with what a stage's passes over a slice cost on the experiment's GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "study/experiment.hpp"

namespace orrery::study {

/// Tokens of each slice, the cut that makes the experiment's pipeline fastest. Slices are multiples of a
/// 64th of the sequence (of fewer parts where that does not divide it, or the batch has many micro-batches),
/// and of tp under sequence parallelism. A slice's time is forward and backward of an average stage's blocks:
/// kernels and tensor-parallel collectives, one after the other. Throws InputError (key
/// schedule.slice_lengths) where the sequence cannot be cut so.
std::vector<std::int64_t> best_slice_lengths(const Experiment& experiment);

}  // namespace orrery::study
