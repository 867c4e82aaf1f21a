// schedules/interleaved.hpp
//
// The sequence of chunks and micro-batches that the interleaved schedules share.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Micro-batches that run through one chunk before the next chunk starts (Megatron's
/// microbatch_group_size_per_vp_stage): the smallest n >= p for which m mod n is 0 or at least p, so that no
/// group is shorter than the pipeline; p itself where p divides m. Throws InputError (key "microbatches")
/// when m < p.
int interleaving_group(std::string_view name, const PipelineShape& shape);

/// The order in which a device with looped placement visits its (micro-batch, chunk) pairs: groups of
/// `group` micro-batches, in each group chunk after chunk (descending for the backwards).
std::vector<Action> interleaved_sequence(const PipelineShape& shape, int device, int group, ActionKind kind);

}  // namespace orrery::schedules
