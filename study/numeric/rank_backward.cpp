// The backward parts of layers on a rank.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "study/numeric/fault.hpp"
#include "study/numeric/rank.hpp"

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;
using models::Split;

/// How many gradients the output's is the sum of: one of each reader.
int Rank::summands(const Piece& at, int index) const {
    const std::vector<Operator>& operators = problem_.operators(at.node);
    int count = index + 1 == static_cast<int>(operators.size()) && at.node + 1 < problem_.nodes() ? 1 : 0;
    for (const Operator& reader : operators) {
        count += static_cast<int>(std::ranges::count(reader.inputs, index));
        // Later slices read its keys and values.
        if (reader.kind == OperatorKind::core_attention && reader.inputs.front() == index)
            count += problem_.slices() - 1 - at.slice;
    }
    return count;
}

const Matrix& Rank::gradient(const Piece& at, int index) {
    Activations& a = activations(at);
    Sum& sum = a.gradient[index_of(index)];
    const bool last = index + 1 == static_cast<int>(problem_.operators(at.node).size());
    if (last && sum.parts == 0) {
        const auto it = output_gradients_.find(at);
        if (it != output_gradients_.end()) {
            sum = {std::move(it->second), 1};
            output_gradients_.erase(it);
        }
    }
    pass_through(at, index);
    const int expected = summands(at, index);
    if (sum.parts < expected)
        throw Fault(fmt::format("computes with the gradient of {}, of which {} of {} summands are there",
                                name(at, index), sum.parts, expected));
    return sum.value;
}

/// Positions are added: the gradient of what they are added to is theirs, and no kernel computes it.
void Rank::pass_through(const Piece& at, int index) {
    const std::vector<Operator>& operators = problem_.operators(at.node);
    for (std::size_t reader = 0; reader < operators.size(); ++reader) {
        if (operators[reader].kind != OperatorKind::position_embedding ||
            operators[reader].inputs.front() != index)
            continue;
        if (activations(at).gradient[index_of(index)].parts == 0)
            add_gradient(at, index, gradient(at, static_cast<int>(reader)));
    }
}

const Matrix& Rank::whole_gradient(const Piece& at, int index) {
    if (!problem_.divides_sequence()) return gradient(at, index);
    const std::optional<Matrix>& whole = activations(at).whole_gradient[index_of(index)];
    if (!whole) throw Fault("computes before the gradient is gathered: " + name(at, index));
    return *whole;
}

void Rank::add_gradient(const Piece& at, int index, const Matrix& summand) {
    Activations& a = activations(at);
    Sum& sum = index < 0 ? a.gradient.back() : a.gradient[index_of(index)];
    sum.value = sum.parts == 0 ? summand : Matrix(sum.value + summand);
    ++sum.parts;
    if (index < 0 && sum.parts == summands(at, -1)) hand_up(at);
}

/// The gradient of the input is complete: it is that of the node's before.
void Rank::hand_up(const Piece& at) {
    const std::vector<int>& before = problem_.model.nodes[index_of(at.node)].inputs;
    if (before.empty()) return;
    const Piece up{before.front(), at.micro_batch, at.slice};
    Sum& sum = activations(at).gradient.back();
    compare(up, sum.value, true);
    output_gradients_[up] = std::exchange(sum, {}).value;
}

void Rank::backward_input(const Piece& at, int index) {
    const Operator& it = op(at, index);
    Activations& a = activations(at);
    if (it.kind == OperatorKind::token_embedding) return;
    if (it.kind == OperatorKind::cross_entropy) {
        if (!a.statistics) throw Fault("has no statistics of the loss of " + name(at));
        add_gradient(at, it.inputs.front(),
                     logits_gradient(value(at, it.inputs.front(), false), *a.statistics, tensor_,
                                     problem_.targets(rows(at)), problem_.token_weight()));
        return;
    }
    const bool row = it.kind == OperatorKind::linear && it.split == Split::row;
    const Matrix& dy = row ? whole_gradient(at, index) : gradient(at, index);
    if (it.kind == OperatorKind::core_attention) {
        const std::vector<Matrix>& p = a.probabilities[index_of(index)];
        if (p.empty())
            throw Fault("has no probabilities of the attention of " + name(at) + " (not computed again)");
        const std::vector<Matrix> dx =
            attention_input_gradient(place(at, index), slices_to(at, it.inputs.front()), p, dy);
        for (int slice = 0; slice <= at.slice; ++slice)
            add_gradient({at.node, at.micro_batch, slice}, it.inputs.front(), dx[index_of(slice)]);
        return;
    }
    std::vector<const Matrix*> inputs(it.inputs.size(), nullptr);
    if (it.kind == OperatorKind::norm || it.kind == OperatorKind::head_norm ||
        it.kind == OperatorKind::activation)
        inputs[0] = &value(at, it.inputs.front(), true);
    std::vector<Matrix> dx =
        input_gradient(place(at, index), weights.working({at.node, index}), rows_of(at, index), inputs, dy);
    const bool column =
        it.kind == OperatorKind::linear && (it.split == Split::column || it.split == Split::vocabulary);
    if (column && tensor_.ranks > 1) {
        a.partial_gradient[index_of(index)] = std::move(dx.front());
        return;
    }
    for (std::size_t k = 0; k < dx.size(); ++k) add_gradient(at, it.inputs[k], dx[k]);
}

void Rank::backward_weight(const Piece& at, int index) {
    const Operator& it = op(at, index);
    if (!problem_.has_weights({at.node, index})) return;
    Activations& a = activations(at);
    const bool summed = it.kind == OperatorKind::token_embedding ||
                        (it.kind == OperatorKind::linear && it.split == Split::row);
    const Matrix& dy = summed ? whole_gradient(at, index) : gradient(at, index);
    Weights& sum = weights.gradient({at.node, index}, at.micro_batch, at.slice);
    if (it.kind == OperatorKind::token_embedding) {
        add_table_gradient(tensor_, problem_.words(rows(at)), dy, sum);
        return;
    }
    std::vector<const Matrix*> inputs(1, nullptr);
    if (gathers_input(at, index)) {
        if (!a.whole_input[index_of(index)])
            throw Fault("computes before the input is gathered: " + name(at, index));
        inputs[0] = &*a.whole_input[index_of(index)];
    } else if (it.kind != OperatorKind::position_embedding) {
        inputs[0] = &value(at, it.inputs.front(), true);
    }
    add_weight_gradient(place(at, index), rows_of(at, index), inputs, dy, sum);
    a.whole_input[index_of(index)].reset();
}

}  // namespace orrery::study::numeric
