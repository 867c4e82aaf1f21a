// parallel/expert/expert_groups.hpp
//
// Where experts lie among the ranks of a pipeline device, as in Megatron-Core (parallel_state.py): its
// tp x cp x dp ranks, in that order, are divided anew for the experts' weights, into etp ranks that divide
// each expert (fastest), ep ranks that hold different experts, and copies of these: the expert data-parallel
// group, over which their gradients are reduced and their optimizer state is sharded.
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/plan.hpp"

namespace orrery::parallel {

/// A rank's place in that order.
struct ExpertCoordinates {
    int etp = 0;
    int ep = 0;
    int copy = 0;
};

/// `local`: the rank's number among the tp x cp x dp of its pipeline device.
ExpertCoordinates expert_coordinates(const Parallelism& p, int local);

/// Ranks that hold the same experts: tp x cp x dp / (etp x ep). The degrees must divide (study checks it).
int expert_copies(const Parallelism& p);

/// Numbers, among the ranks of a pipeline device, of the groups that its first rank belongs to.
std::vector<int> expert_parallel_ranks(const Parallelism& p);
std::vector<int> expert_tensor_ranks(const Parallelism& p);
std::vector<int> expert_data_ranks(const Parallelism& p);

/// Whether the ranks of a pipeline device that differ in their expert-parallel place alone can stand for all:
/// the tensor, context and sharding groups must then divide into whole expert-parallel groups, or these into
/// them.
bool folds_to_expert_group(const Parallelism& p);

}  // namespace orrery::parallel
