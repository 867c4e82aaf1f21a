// schedules/placement.hpp
//
// Which device holds which virtual stage, and the checks every generator makes on its shape.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Stage s on device s mod p (Narayanan et al. 2021, "interleaved" stages; plain pipelines with v = 1).
std::vector<int> looped_placement(int devices, int chunks);

/// Down, then up again, v/2 times: chunk c runs 0..p-1 when c is even and p-1..0 when odd (the V of ZB-V with
/// v = 2; the waves of Hanayo).
std::vector<int> wave_placement(int devices, int chunks);

/// Stage s on device p-1-s: the upward replica of a bidirectional pipeline.
std::vector<int> reversed_placement(int devices);

/// A schedule of that shape with empty orders, one direction, looped placement.
Schedule empty_schedule(std::string_view name, const PipelineShape& shape);

/// Throws InputError (key "stages", "microbatches", "chunks" or "slices") unless every size is at least 1 and
/// the number of actions stays below 2^28.
void require_sizes(const PipelineShape& shape);

/// Throws InputError with key "chunks" unless the shape has exactly `chunks` chunks.
void require_chunks(std::string_view name, const PipelineShape& shape, int chunks);

/// Throws InputError with key "slices" unless the shape has one slice.
void require_whole_sequences(std::string_view name, const PipelineShape& shape);

/// Throws InputError with key "variant" unless the variant is empty or one of `allowed`; gives the variant
/// with the empty one replaced by allowed[0].
std::string require_variant(std::string_view name, const PipelineShape& shape,
                            const std::vector<std::string>& allowed);

}  // namespace orrery::schedules
