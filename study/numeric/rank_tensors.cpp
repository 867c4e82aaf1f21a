// What a rank keeps, drops, hands over and moves away between the parts of layers.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "study/numeric/fault.hpp"
#include "study/numeric/rank.hpp"

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;
using models::Split;
using parallel::Handover;
using parallel::Kept;
using parallel::Meaning;

void Rank::drop(const Kept& kept) {
    const Piece at{kept.node, kept.micro_batch, kept.slice};
    Activations& a = activations(at);
    for (auto& whole : a.whole_input) whole.reset();
    const std::vector<Operator>& operators = problem_.operators(at.node);
    const auto read_later = [&](std::size_t i) {
        return kept.keys_and_values && std::ranges::any_of(operators, [&](const Operator& reader) {
                   return reader.kind == OperatorKind::core_attention &&
                          reader.inputs.front() == static_cast<int>(i);
               });
    };
    const bool alternate = problem_.software.selective == models::SelectivePolicy::alternate_matmuls;
    if (kept.all && kept.selective && !alternate)
        for (std::vector<Matrix>& p : a.probabilities) p.clear();
    int products = 0;
    for (std::size_t i = 0; i < operators.size() && kept.all && kept.selective && alternate; ++i) {
        const Operator& it = operators[i];
        if (it.kind == OperatorKind::core_attention) continue;
        if (it.kind == OperatorKind::linear && products++ % 2 == 0) continue;
        // The sum over the ranks is not computed again: its output stays.
        const bool summed = it.split == Split::row && tensor_.ranks > 1;
        if (!summed && !read_later(i)) a.output[i].reset();
    }
    if (kept.all) return;
    a.dropped = true;
    if (!kept.input) a.input.reset();
    for (std::size_t i = 0; i < operators.size(); ++i) {
        a.probabilities[i].clear();
        if (!read_later(i)) a.output[i].reset();
    }
    if (tensor_.ranks == 1 || a.combined == kStatistics) a.statistics.reset();
}

Received Rank::hand_over(const Handover& what) {
    Received message;
    for (const int node : what.nodes) {
        const Piece at{node, what.micro_batch, what.slice};
        std::map<Piece, Matrix>& from = what.gradients ? output_gradients_ : outputs_;
        const auto it = from.find(at);
        if (it == from.end())
            throw Fault(fmt::format("sends {} of {}, which is not there",
                                    what.gradients ? "the gradient of the output" : "the output", name(at)));
        message.tensors.push_back(std::move(it->second));
        from.erase(it);
    }
    return message;
}

void Rank::receive(const Handover& what, Received tensors) {
    received_[{what.from_stage, what.to_stage, what.micro_batch, what.slice, what.gradients}] =
        std::move(tensors);
}

Received& Rank::received(const Handover& what) {
    const auto it =
        received_.find({what.from_stage, what.to_stage, what.micro_batch, what.slice, what.gradients});
    if (it == received_.end())
        throw Fault(fmt::format("takes up, before it is received, {} of stage {}, micro-batch {}",
                                what.gradients ? "the gradient" : "the output", what.from_stage,
                                what.micro_batch));
    return it->second;
}

void Rank::take_up(const Handover& what) {
    Received& message = received(what);
    if (message.share)
        throw Fault(
            fmt::format("takes up a share of what stage {} sent of micro-batch {}: it is not gathered",
                        what.from_stage, what.micro_batch));
    for (std::size_t i = 0; i < what.nodes.size(); ++i) {
        const Piece at{what.nodes[i], what.micro_batch, what.slice};
        (what.gradients ? output_gradients_ : outputs_)[at] = std::move(message.tensors[i]);
    }
    received_.erase({what.from_stage, what.to_stage, what.micro_batch, what.slice, what.gradients});
}

std::map<Piece, Activations> Rank::move_out(const Meaning& task) {
    std::map<Piece, Activations> moved;
    for (const int node : task.nodes) {
        const Piece at{node, task.micro_batch, task.slice};
        const auto it = activations_.find(at);
        if (it == activations_.end())
            throw Fault("moves away the activations of " + name(at) + ", which are not there");
        if (at.slice + 1 < problem_.slices()) leave_keys(at, it->second);
        moved[at] = std::move(it->second);
        activations_.erase(it);
        if (auto left = left_.extract(at)) activations_.insert(std::move(left));
    }
    return moved;
}

/// Later slices read its keys and values, and add to their gradients: these stay.
void Rank::leave_keys(const Piece& at, const Activations& from) {
    Activations left;
    left.output.resize(from.output.size());
    left.whole_input = left.partial = left.whole_gradient = left.partial_gradient = left.output;
    left.probabilities.resize(from.probabilities.size());
    left.gradient.resize(from.gradient.size());
    left.dropped = true;
    for (const Operator& reader : problem_.operators(at.node)) {
        if (reader.kind != OperatorKind::core_attention) continue;
        left.output[index_of(reader.inputs.front())] = from.output[index_of(reader.inputs.front())];
    }
    left_[at] = std::move(left);
}

void Rank::move_back(std::map<Piece, Activations> activations) {
    for (auto& [at, moved] : activations) {
        const auto left = activations_.find(at);
        if (left != activations_.end()) moved.gradient = std::move(left->second.gradient);
        activations_[at] = std::move(moved);
    }
}

}  // namespace orrery::study::numeric
