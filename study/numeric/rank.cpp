#include "study/numeric/rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "study/numeric/fault.hpp"

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;
using models::Split;
using parallel::Handover;
using parallel::Kept;
using parallel::Meaning;
using parallel::OperatorPart;

namespace {

std::size_t index_of(int i) {
    return static_cast<std::size_t>(i);
}

/// Of the loss of a vocabulary that is divided.
constexpr int kStatistics = 3;

Run run_of(const Meaning& task) {
    if (task.pass != parallel::Pass::forward) return Run::within_backward;
    return task.again ? Run::repeated : Run::first;
}

Matrix taken(std::optional<Matrix>& from) {
    Matrix m = std::move(*from);
    from.reset();
    return m;
}

}  // namespace

Rank::Rank(const Problem& problem, const Reference& reference, double tolerance, Share tensor, int dp_rank,
           std::vector<int> nodes)
    : weights(problem, reference, tensor, std::move(nodes)),
      problem_(problem),
      reference_(reference),
      tolerance_(tolerance),
      tensor_(tensor),
      dp_rank_(dp_rank) {}

// --- names and shapes ---

const Operator& Rank::op(const Piece& at, int index) const {
    return problem_.operators(at.node)[index_of(index)];
}

OperatorPlace Rank::place(const Piece& at, int index) const {
    return {op(at, index), {at.node, index}, tensor_};
}

Rows Rank::rows(const Piece& at) const {
    return problem_.rows(dp_rank_, at.micro_batch, at.slice);
}

/// Replicated operators see their part of a divided sequence.
Rows Rank::rows_of(const Piece& at, int index) const {
    const bool part = problem_.divides_sequence() && op(at, index).split == Split::replicated;
    return part ? rows(at).part(tensor_.rank, tensor_.ranks) : rows(at);
}

bool Rank::gathers_input(const Piece& at, int index) const {
    const Operator& it = op(at, index);
    return problem_.divides_sequence() && it.kind == OperatorKind::linear &&
           (it.split == Split::column || it.split == Split::vocabulary);
}

Activations& Rank::activations(const Piece& at) {
    const auto [it, fresh] = activations_.try_emplace(at);
    if (fresh) {
        Activations& a = it->second;
        const std::size_t count = problem_.operators(at.node).size();
        for (auto* list : {&a.output, &a.whole_input, &a.partial, &a.whole_gradient, &a.partial_gradient})
            list->resize(count);
        a.probabilities.resize(count);
        a.gradient.resize(count + 1);
    }
    return it->second;
}

std::string Rank::name(const Piece& at) const {
    std::string text = fmt::format("{} (layer {}), micro-batch {}", problem_.model.layer(at.node).name,
                                   at.node, at.micro_batch);
    if (problem_.slices() > 1) text += fmt::format(", slice {}", at.slice);
    return text;
}

std::string Rank::name(const Piece& at, int index) const {
    return (index < 0 ? std::string("the input") : op(at, index).name) + " of " + name(at);
}

void Rank::compare(const Piece& at, const Matrix& ours, bool gradients) {
    const auto& all = gradients ? reference_.output_gradients : reference_.outputs;
    Rows here = rows(at);
    if (problem_.divides_sequence()) here = here.part(tensor_.rank, tensor_.ranks);
    const Matrix theirs =
        all.at({at.node, dp_rank_, at.micro_batch}).middleRows(here.first_token * here.batch, here.count());
    const double error = (ours - theirs).cwiseAbs().maxCoeff() / theirs.cwiseAbs().maxCoeff();
    if (!(error <= tolerance_))
        throw Fault(fmt::format("makes {}{} that differs from the reference by {:.1e} of it",
                                gradients ? "a gradient of the output of " : "an output of ", name(at),
                                error));
    worst_activation = std::max(worst_activation, error);
}

// --- forward ---

const Matrix& Rank::input(const Piece& at, bool again) {
    Activations& a = activations(at);
    if (a.input) return *a.input;
    const Piece before{problem_.model.nodes[index_of(at.node)].inputs.front(), at.micro_batch, at.slice};
    std::map<Piece, Matrix>& from = again ? remade_ : outputs_;
    const auto it = from.find(before);
    if (it == from.end())
        throw Fault((again ? "repeats, without its input, " : "computes before its input is there: ") +
                    name(at));
    a.input = std::move(it->second);
    from.erase(it);
    return *a.input;
}

const Matrix& Rank::value(const Piece& at, int index, bool again) {
    if (index < 0) return input(at, again);
    Activations& a = activations(at);
    if (!a.output[index_of(index)])
        throw Fault("reads the output of " + name(at, index) +
                    ", which is not there (not computed, not summed "
                    "over the ranks, or given back)");
    return *a.output[index_of(index)];
}

std::vector<PackedSlice> Rank::slices_to(const Piece& at, int input) {
    std::vector<PackedSlice> slices;
    for (int slice = 0; slice <= at.slice; ++slice) {
        const Piece one{at.node, at.micro_batch, slice};
        slices.push_back({rows(one), &value(one, input, false)});
    }
    return slices;
}

void Rank::forward(const Piece& at, int index, Run run) {
    const bool again = run != Run::first;
    const Operator& it = op(at, index);
    Activations& a = activations(at);
    switch (it.kind) {
        case OperatorKind::token_embedding: {
            Matrix words = look_up(weights.working({at.node, index}), tensor_, problem_.words(rows(at)));
            if (tensor_.ranks == 1) return finish_output(at, index, run, std::move(words));
            a.partial[index_of(index)] = std::move(words);
            return;
        }
        case OperatorKind::core_attention: {
            std::vector<Matrix> probabilities;
            Matrix out = attention_forward(place(at, index), slices_to(at, it.inputs.front()), probabilities);
            a.probabilities[index_of(index)] = std::move(probabilities);
            return finish_output(at, index, run, std::move(out));
        }
        case OperatorKind::cross_entropy:
            a.statistics =
                loss_statistics(value(at, it.inputs.front(), again), tensor_, problem_.targets(rows(at)));
            a.local_maximum = a.statistics->maximum;
            a.combined = 0;
            if (tensor_.ranks == 1) finish_loss(at, run);
            return;
        default:
            break;
    }
    std::vector<const Matrix*> inputs;
    if (gathers_input(at, index)) {
        if (!a.whole_input[index_of(index)])
            throw Fault("computes before the input is gathered: " + name(at, index));
        inputs.push_back(&*a.whole_input[index_of(index)]);
    } else {
        for (const int from : it.inputs) inputs.push_back(&value(at, from, again));
    }
    const Weights& w = weights.working({at.node, index});
    Matrix out = numeric::forward(place(at, index), w, rows_of(at, index), inputs);
    a.whole_input[index_of(index)].reset();
    if (it.kind == OperatorKind::linear && it.split == Split::row && tensor_.ranks > 1) {
        a.partial[index_of(index)] = std::move(out);
        return;
    }
    if (it.kind == OperatorKind::linear) add_bias(w, out);
    finish_output(at, index, run, std::move(out));
}

void Rank::finish_output(const Piece& at, int index, Run run, Matrix output) {
    Activations& a = activations(at);
    if (index + 1 == static_cast<int>(problem_.operators(at.node).size())) {
        compare(at, output, false);
        if (run != Run::within_backward) (run == Run::first ? outputs_ : remade_)[at] = output;
    }
    if (run != Run::first || !a.dropped) a.output[index_of(index)] = std::move(output);
}

void Rank::finish_loss(const Piece& at, Run run) {
    if (run != Run::first) return;
    if (!loss_of.insert(at).second) throw Fault("computes a second time the loss of " + name(at));
    Activations& a = activations(at);
    loss += problem_.token_weight() * numeric::loss_of(*a.statistics);
    if (a.dropped) a.statistics.reset();
}

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

// --- backward ---

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
    if (it.kind == OperatorKind::norm || it.kind == OperatorKind::activation)
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

// --- parts of passes ---

void Rank::compute(const Meaning& task, const OperatorPart& part) {
    const Piece at{task.node, task.micro_batch, task.slice};
    switch (part.part) {
        case parallel::Part::forward:
            return forward(at, part.op, run_of(task));
        case parallel::Part::input_gradient:
            return backward_input(at, part.op);
        case parallel::Part::weight_gradient:
            return backward_weight(at, part.op);
        default:
            return;
    }
}

Matrix Rank::contribution(const Meaning& task, const OperatorPart& part) {
    const Piece at{task.node, task.micro_batch, task.slice};
    Activations& a = activations(at);
    const auto own = [&](std::optional<Matrix>& partial) {
        if (!partial)
            throw Fault("sums over the ranks before the rank's summand is computed: " + name(at, part.op));
        return taken(partial);
    };
    switch (part.part) {
        case parallel::Part::gather_input:
            return value(at, op(at, part.op).inputs.front(), run_of(task) != Run::first);
        case parallel::Part::combine_output:
            return own(a.partial[index_of(part.op)]);
        case parallel::Part::gather_gradient:
            return gradient(at, part.op);
        case parallel::Part::combine_input_gradient:
            return own(a.partial_gradient[index_of(part.op)]);
        default:
            break;
    }
    if (!a.statistics) throw Fault("combines the loss before it is computed: " + name(at));
    if (a.combined == 0) return a.statistics->maximum;
    if (a.combined == 1) return a.statistics->target;
    return (a.statistics->sum.array() * (a.local_maximum - a.statistics->maximum).array().exp()).matrix();
}

void Rank::accept(const Meaning& task, const OperatorPart& part, Matrix result) {
    const Piece at{task.node, task.micro_batch, task.slice};
    Activations& a = activations(at);
    switch (part.part) {
        case parallel::Part::gather_input:
            a.whole_input[index_of(part.op)] = std::move(result);
            return;
        case parallel::Part::combine_output:
            if (op(at, part.op).kind == OperatorKind::linear)
                add_bias(weights.working({at.node, part.op}), result);
            return finish_output(at, part.op, run_of(task), std::move(result));
        case parallel::Part::gather_gradient:
            a.whole_gradient[index_of(part.op)] = std::move(result);
            return;
        case parallel::Part::combine_input_gradient:
            return add_gradient(at, op(at, part.op).inputs.front(), result);
        default:
            break;
    }
    Matrix LossStatistics::*const which[] = {&LossStatistics::maximum, &LossStatistics::target,
                                             &LossStatistics::sum};
    (*a.statistics).*which[a.combined] = std::move(result);
    if (++a.combined == kStatistics) finish_loss(at, run_of(task));
}

// --- between layers and stages ---

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
