// parallel/branch_partition.hpp
//
// Stages of a model whose layers form a graph with branches (models/towers.hpp).
//
// On a graph of stages (GraphPipe, Jeon et al. 2025; DistMM, Huang et al. 2024) each branch gets stages of
// its own, and branches run beside each other. Stages go one by one to the branch whose largest stage has
// most work, which makes the largest stage of all as small as whole blocks allow (giving a branch a stage
// never makes its largest stage larger). In sequence, as every other schedule has it, the branches follow one
// another along one pipeline, in the model's order; a stage may hold the end of one and the begin of the
// next.
//
// Inside a branch, or along the sequence, blocks are cut so that the largest stage has least work; of such
// cuts, the one with the least sum of squares. Work is the forward's matrix products; what is no block counts
// with the block it stands by: embeddings and fusions with the one behind, ends of towers, head and loss with
// the one before. A part without a block, as a contrastive loss is, belongs to the last branch that feeds it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "models/graph.hpp"

namespace orrery::parallel {

/// Nodes of each branch, in the model's order: the longest runs in which every node feeds only the next. One
/// for a chain.
std::vector<std::vector<int>> branches_of(const models::Model& model);

/// Whether the schedule lays a model's branches on stages beside each other.
bool runs_on_graph(std::string_view schedule);

/// [stage] nodes, of `stages` stages on the graph of branches. `blocks`: of each stage, in the model's order;
/// empty: by work. Throws ExperimentError where there are fewer stages than branches, more than blocks, or a
/// stage with blocks of two branches.
std::vector<std::vector<int>> partition_by_branch(const models::Model& model, int stages,
                                                  std::span<const int> blocks);

/// The same with the branches in sequence.
std::vector<std::vector<int>> partition_in_sequence(const models::Model& model, int stages,
                                                    std::span<const int> blocks);

/// [stage] the stages whose outputs its layers read, ascending. Throws ExperimentError where a stage would
/// read a later one.
std::vector<std::vector<int>> inputs_of_stages(const models::Model& model,
                                               const std::vector<std::vector<int>>& stage_layers);

}  // namespace orrery::parallel
