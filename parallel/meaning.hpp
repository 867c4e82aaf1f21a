// parallel/meaning.hpp
//
// What the tasks of a lowered program compute. A program says what a task costs and what it waits for; beside
// it stands, where LowerOptions::meanings asks for it, which tensors the task reads and makes. `lower` writes
// the meaning of a task as it adds the task, so it is what the task stands for and not a reading of its name.
// The numeric check (study/numeric) executes it.
//
// Tensors. A node of the model has, for each micro-batch and token slice, an output and its gradient; inside
// it each operator has an output and a gradient. Weights belong to operators.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace orrery::parallel {

/// A pass over a layer.
enum class Pass : std::uint8_t { forward, backward, backward_input, backward_weight };

/// What a step of a layer's pass does for its operator.
enum class Part : std::uint8_t {
    none,  ///< host work; or a kernel of several, of which the last stands for all
    // kernels
    forward,
    input_gradient,   ///< of its inputs, from that of its output
    weight_gradient,  ///< added to what earlier micro-batches left
    // operations of the tensor-parallel group
    gather_input,            ///< its input, divided along the sequence, whole on every rank
    combine_output,          ///< the ranks' partial outputs summed, and divided where the sequence is
    combine_loss,            ///< one of the loss's statistics: maximum, target's logit, sum of exponentials
    gather_gradient,         ///< of its output, divided along the sequence, whole on every rank
    combine_input_gradient,  ///< the ranks' partial gradients of its input summed
};

struct OperatorPart {
    int op = 0;  ///< index in the layer
    Part part = Part::none;
};

enum class Effect : std::uint8_t {
    none,              ///< host work, casts, copies between a tensor and its own buffer
    layer,             ///< `parts` of `pass` over `node`
    send,              ///< outputs, or gradients of outputs, to another stage: `handovers`
    receive,           ///< into buffers
    gather_received,   ///< each tensor-parallel rank has received a share of it
    take_up,           ///< what was received is the next action's
    gather_weights,    ///< each rank's share of `weights`, whole on every rank
    reduce_gradients,  ///< of `weights`, summed; as a reduce-scatter each rank keeps its share
    reduce_shares,     ///< such shares, summed over the groups that share (hybrid sharding)
    add_shares,        ///< to the gradients of earlier micro-batches
    reduce_table,      ///< gradient of the embedding's weights, summed over the devices with a copy
    reduce_partial,    ///< gradients of `operators`, of which each tensor-parallel rank has a summand
    update,            ///< of all weights, by their gradients
    move_out,          ///< activations of `nodes` leave the device
    move_back,
    keep,  ///< the partner's side of both
    give_back,
};

/// Outputs of nodes, or their gradients, on their way from one stage to another.
struct Handover {
    int from_stage = 0;
    int to_stage = 0;
    int micro_batch = 0;
    int slice = 0;
    bool gradients = false;
    std::vector<int> nodes;
};

/// Weights of a node that one device holds. A tied output projection belongs to the node only where the
/// embedding is elsewhere.
struct WeightSet {
    enum class Extent : std::uint8_t { all, without_table, table };
    int node = 0;
    Extent extent = Extent::all;  ///< the table: the embedding's weights
    /// Of gradients that are reduced micro-batch by micro-batch; -1: of all together.
    int micro_batch = -1;
    int slice = 0;
    bool operator==(const WeightSet&) const = default;
};

/// Behind a node's forward: what stays of its activations until its backward.
struct Kept {
    int node = 0;
    int micro_batch = 0;
    int slice = 0;
    bool all = true;
    bool input = true;             ///< where not all: its input
    bool keys_and_values = false;  ///< where not all: those that later slices read
    bool selective = false;        ///< where all: but what the pass before the backward computes again
};

struct Meaning {
    Effect effect = Effect::none;
    int node = -1;
    int micro_batch = -1;
    int slice = 0;
    Pass pass = Pass::forward;
    bool again = false;  ///< a forward repeated for a backward
    int owner = -1;      ///< of moved activations: the pipeline device that computes with them
    std::vector<OperatorPart> parts;
    std::vector<Handover> handovers;
    std::vector<WeightSet> weights;
    std::vector<std::pair<int, int>> operators;  ///< node, and index in its layer
    std::vector<int> nodes;                      ///< of moved activations
    std::vector<Kept> kept;                      ///< what is dropped when the task ends
};

/// What a memory event gives back.
struct Freed {
    enum class What : std::uint8_t { nothing, activations, weights };
    What what = What::nothing;
    int node = -1;  ///< of activations: with micro-batch and slice
    int micro_batch = -1;
    int slice = 0;
    std::vector<WeightSet> weights;  ///< gathered copies
};

/// Of one rank program.
struct RankMeaning {
    std::vector<Meaning> tasks;  ///< [task]
    std::vector<Freed> freed;    ///< [memory event]
};

}  // namespace orrery::parallel
