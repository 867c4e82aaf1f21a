// study/numeric/rank.hpp
//
// A rank while it executes a program's tasks: the tensors it has at the moment, and the parts of layers'
// passes on its share of them. A tensor is there from the task that makes it to the one that drops it or
// hands it over; to read one that is not there is a Fault that names it, and so is an output or a gradient at
// a layer's end that differs from the reference.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "parallel/meaning.hpp"
#include "study/numeric/attention.hpp"
#include "study/numeric/held_weights.hpp"

namespace orrery::study::numeric {

/// A vector's index, of what is numbered by int.
constexpr std::size_t index_of(int number) {
    return static_cast<std::size_t>(number);
}

/// A layer's work on a token slice of a micro-batch.
struct Piece {
    int node = 0;
    int micro_batch = 0;
    int slice = 0;
    auto operator<=>(const Piece&) const = default;
};

/// A gradient, while its summands come in.
struct Sum {
    Matrix value;
    int parts = 0;
};

/// What a layer has of one piece. Vectors are by operator.
struct Activations {
    bool dropped = false;  ///< after its forward: outputs still to come are handed on, not kept
    std::optional<Matrix> input;
    std::vector<std::optional<Matrix>> output;
    std::vector<std::optional<Matrix>> whole_input;       ///< gathered along the sequence
    std::vector<std::optional<Matrix>> partial;           ///< output, not yet summed over the ranks
    std::vector<std::optional<Matrix>> whole_gradient;    ///< of the output, gathered
    std::vector<std::optional<Matrix>> partial_gradient;  ///< of the input
    std::vector<std::vector<Matrix>> probabilities;
    std::optional<LossStatistics> statistics;
    int combined = 0;  ///< statistics
    Matrix local_maximum;
    std::vector<Sum> gradient;  ///< of outputs; the last: of the input
};

/// Statistics of the loss that are combined over a divided vocabulary.
inline constexpr int kStatistics = 3;

/// Which run of a forward.
enum class Run : std::uint8_t {
    first,
    repeated,         ///< of a whole layer, before its backward
    within_backward,  ///< of what selective recomputation dropped
};

/// Tensors on their way between stages.
struct Received {
    std::vector<Matrix> tensors;
    bool share = false;  ///< of a tensor-parallel rank, to be gathered
};

class Rank {
  public:
    Rank(const Problem& problem, const Reference& reference, double tolerance, Share tensor, int dp_rank,
         std::vector<int> nodes);

    // --- parts of layers ---

    /// One part that the rank does alone.
    void compute(const parallel::Meaning& task, const parallel::OperatorPart& part);
    /// What it brings to an operation of the tensor-parallel group, and what it makes of the result: the
    /// gathered tensor, or the sum (all of it, or its part of the sequence).
    [[nodiscard]] Matrix contribution(const parallel::Meaning& task, const parallel::OperatorPart& part);
    void accept(const parallel::Meaning& task, const parallel::OperatorPart& part, Matrix result);
    /// How many of the loss's three have been combined.
    [[nodiscard]] int statistics_combined(const parallel::Meaning& task) {
        return activations({task.node, task.micro_batch, task.slice}).combined;
    }

    // --- between layers and stages ---

    [[nodiscard]] Received hand_over(const parallel::Handover& what);
    void receive(const parallel::Handover& what, Received tensors);
    [[nodiscard]] Received& received(const parallel::Handover& what);
    void take_up(const parallel::Handover& what);

    /// Activations that leave for another memory; those kept for an owner.
    [[nodiscard]] std::map<Piece, Activations> move_out(const parallel::Meaning& task);
    void move_back(std::map<Piece, Activations> activations);

    void drop(const parallel::Kept& kept);
    void release(const Piece& piece) { activations_.erase(piece); }

    HeldWeights weights;
    /// [pipeline device that owns them, piece] activations kept for others, or in the host's memory.
    std::map<std::pair<int, Piece>, Activations> kept_for;
    double loss = 0;              ///< of the pieces whose loss it has computed
    std::set<Piece> loss_of;      ///< which
    double worst_activation = 0;  ///< largest relative deviation at a layer's end

    [[nodiscard]] Share tensor() const { return tensor_; }
    [[nodiscard]] const Problem& problem() const { return problem_; }

  private:
    [[nodiscard]] const models::Operator& op(const Piece& at, int index) const;
    [[nodiscard]] OperatorPlace place(const Piece& at, int index) const;
    [[nodiscard]] Rows rows(const Piece& at) const;
    [[nodiscard]] Rows rows_of(const Piece& at, int index) const;
    [[nodiscard]] bool gathers_input(const Piece& at, int index) const;
    [[nodiscard]] Activations& activations(const Piece& at);
    [[nodiscard]] std::string name(const Piece& at, int index) const;
    [[nodiscard]] std::string name(const Piece& at) const;

    /// The node's input, for a first or a repeated forward.
    const Matrix& input(const Piece& at, bool again);
    const Matrix& value(const Piece& at, int index, bool again);
    std::vector<PackedSlice> slices_to(const Piece& at, int input);
    void forward(const Piece& at, int index, Run run);
    void finish_output(const Piece& at, int index, Run run, Matrix output);
    void finish_loss(const Piece& at, Run run);

    const Matrix& gradient(const Piece& at, int index);
    void pass_through(const Piece& at, int index);
    const Matrix& whole_gradient(const Piece& at, int index);
    [[nodiscard]] int summands(const Piece& at, int index) const;
    void add_gradient(const Piece& at, int index, const Matrix& summand);
    void backward_input(const Piece& at, int index);
    void backward_weight(const Piece& at, int index);
    void hand_up(const Piece& at);

    void leave_keys(const Piece& at, const Activations& from);
    /// Throws Fault where it is not the reference's.
    void compare(const Piece& at, const Matrix& ours, bool gradients);

    const Problem& problem_;
    const Reference& reference_;
    double tolerance_;
    Share tensor_;
    int dp_rank_;
    std::map<Piece, Activations> activations_;
    std::map<Piece, Matrix> outputs_;           ///< of nodes, not yet read
    std::map<Piece, Matrix> output_gradients_;  ///< not yet read
    std::map<Piece, Activations> left_;         ///< behind those that move away, while they do
    std::map<Piece, Matrix> remade_;            ///< outputs of repeated forwards
    std::map<std::tuple<int, int, int, int, bool>, Received> received_;
};

}  // namespace orrery::study::numeric
