// parallel/stage_partition.hpp
//
// Which layers each virtual stage of a pipeline holds.
#pragma once

#include <span>
#include <vector>

#include "models/graph.hpp"

namespace orrery::parallel {

/// Which nodes of the chain each virtual stage holds, in order: blocks as evenly as possible, the embedding
/// with the first stage and the head with the last. Where the blocks do not divide, the stages at the ends
/// have one less, as Llama 3's 126 layers lay on 16 stages (Llama team 2024, section 3.3.2).
std::vector<std::vector<int>> partition(const models::Model& model, int stages);

/// The same with as many blocks on each stage as the plan says; they must add up to the model's.
std::vector<std::vector<int>> partition(const models::Model& model, std::span<const int> blocks);

}  // namespace orrery::parallel
