// schedules/order_file.hpp
//
// Orders read from and written to files, so that a new schedule can be tried without C++.
//
// CSV: the compute-only format of PyTorch's torch.distributed.pipelining. A row is a rank, a cell an action:
// stage, kind, micro-batch ("0F0"). Kinds: F forward, B joined backward (or the input gradient, when the
// stage and micro-batch also have a W), I input gradient, W weight gradient. "(0F7;7B3)OVERLAP_F_B" is an
// overlapped unit. Empty cells are the bubbles somebody drew; they mean nothing.
//
// YAML: a map with `orders`, one text (or list of texts) per device, of the same actions apart by blanks, and
// optionally `schedule` (a name), `weight_copies`, `synchronous`, `eviction_partner` (a device per device)
// and `stage_inputs` (for a graph of stages, a list per stage), `stage_work`, `stage_recomputed` and
// `stage_evicted` (a number per stage, see schedules/schedule.hpp). Beyond the CSV's, an action may end in
// ".SLICE" and in "u" for the upward replica of a bidirectional pipeline, a unit is "(0F7;7B3)", and R, E and
// L stand for recomputation, eviction and load.
//
// The sizes and the placement follow from the orders. Every reader throws InputError with line and column.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// `file` stands in error messages.
Schedule read_order_csv(std::string_view text, const std::string& file);
Schedule read_order_yaml(std::string_view text, const std::string& file);
/// By the file's extension: .csv, .yaml or .yml.
Schedule read_order(const std::filesystem::path& path);

/// Throws InputError for what PyTorch's format cannot say: slices, two directions, transfers, recomputation.
std::string write_order_csv(const Schedule& schedule);
std::string write_order_yaml(const Schedule& schedule);

}  // namespace orrery::schedules
