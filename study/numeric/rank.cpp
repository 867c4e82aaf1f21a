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
using parallel::Meaning;
using parallel::OperatorPart;

namespace {

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
    return {op(at, index), {at.node, index}, tensor_, problem_.linear_biases()};
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

}  // namespace orrery::study::numeric
