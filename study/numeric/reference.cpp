#include "study/numeric/reference.hpp"

#include <algorithm>

#include "study/numeric/attention.hpp"

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;

namespace {

/// One micro-batch through one node and back.
class NodePass {
  public:
    NodePass(const Problem& problem, const ModelWeights& weights, int node, const Rows& rows, Matrix input)
        : problem_(problem),
          weights_(weights),
          node_(node),
          rows_(rows),
          operators_(problem.operators(node)),
          input_(std::move(input)),
          outputs_(operators_.size()),
          probabilities_(operators_.size()) {}

    void forward() {
        for (int i = 0; i < static_cast<int>(operators_.size()); ++i) forward(i);
    }

    /// Returns the gradient of the input, given that of the output.
    Matrix backward(const Matrix& gradient, ModelWeights& sums) {
        gradients_.assign(operators_.size() + 1, Matrix());
        gradients_[operators_.size() - 1] = gradient;
        for (int i = static_cast<int>(operators_.size()) - 1; i >= 0; --i) backward(i, sums);
        return gradients_.back();
    }

    [[nodiscard]] const Matrix& output() const { return outputs_.back(); }
    [[nodiscard]] double loss() const { return loss_; }

  private:
    [[nodiscard]] const Operator& op(int i) const { return operators_[static_cast<std::size_t>(i)]; }
    [[nodiscard]] OperatorPlace place(int i) const {
        return {op(i), {node_, i}, {}, problem_.linear_biases()};
    }
    [[nodiscard]] const Weights& weights(int i) const {
        static const Weights none;
        return problem_.has_weights({node_, i}) ? weights_.at(problem_.owner({node_, i})) : none;
    }
    [[nodiscard]] const Matrix& value(int i) const {
        return i < 0 ? input_ : outputs_[static_cast<std::size_t>(i)];
    }
    [[nodiscard]] std::vector<const Matrix*> inputs(int i) const {
        std::vector<const Matrix*> list;
        for (const int input : op(i).inputs) list.push_back(&value(input));
        return list;
    }

    void forward(int i) {
        Matrix& out = outputs_[static_cast<std::size_t>(i)];
        switch (op(i).kind) {
            case OperatorKind::token_embedding:
                out = look_up(weights(i), {}, problem_.words(rows_));
                return;
            case OperatorKind::core_attention:
                out = attention_forward(place(i), std::vector<PackedSlice>{{rows_, inputs(i)[0]}},
                                        probabilities_[static_cast<std::size_t>(i)]);
                return;
            case OperatorKind::cross_entropy:
                statistics_ = loss_statistics(*inputs(i)[0], {}, problem_.targets(rows_));
                loss_ = problem_.token_weight() * loss_of(statistics_);
                return;
            default:
                out = numeric::forward(place(i), weights(i), rows_, inputs(i));
                if (op(i).kind == OperatorKind::linear) add_bias(weights(i), out);
        }
    }

    void backward(int i, ModelWeights& sums) {
        const Matrix& dy = gradients_[static_cast<std::size_t>(i)];
        if (op(i).kind == OperatorKind::token_embedding) {
            add_table_gradient({}, problem_.words(rows_), dy, sums.at({node_, i}));
            return;
        }
        const std::vector<const Matrix*> in = inputs(i);
        if (problem_.has_weights({node_, i}))
            add_weight_gradient(place(i), rows_, in, dy, sums.at(problem_.owner({node_, i})));
        std::vector<Matrix> dx;
        if (op(i).kind == OperatorKind::core_attention) {
            dx = attention_input_gradient(place(i), std::vector<PackedSlice>{{rows_, in[0]}},
                                          probabilities_[static_cast<std::size_t>(i)], dy);
        } else if (op(i).kind == OperatorKind::cross_entropy) {
            dx = {logits_gradient(*in[0], statistics_, {}, problem_.targets(rows_), problem_.token_weight())};
        } else {
            dx = input_gradient(place(i), weights(i), rows_, in, dy);
        }
        for (std::size_t k = 0; k < dx.size(); ++k) add(op(i).inputs[k], dx[k]);
    }

    void add(int i, const Matrix& gradient) {
        Matrix& sum = i < 0 ? gradients_.back() : gradients_[static_cast<std::size_t>(i)];
        sum = sum.size() == 0 ? gradient : Matrix(sum + gradient);
    }

    const Problem& problem_;
    const ModelWeights& weights_;
    int node_;
    Rows rows_;
    const std::vector<Operator>& operators_;
    Matrix input_;
    std::vector<Matrix> outputs_;
    std::vector<Matrix> gradients_;  ///< of the operators' outputs, then of the input
    std::vector<std::vector<Matrix>> probabilities_;
    LossStatistics statistics_;
    double loss_ = 0;
};

std::vector<NodePass> forward_of(const Problem& problem, const ModelWeights& weights, const Rows& rows) {
    std::vector<NodePass> passes;
    for (int node = 0; node < problem.nodes(); ++node) {
        passes.emplace_back(problem, weights, node, rows, node == 0 ? Matrix() : passes.back().output());
        passes.back().forward();
    }
    return passes;
}

double largest(const Weights& w) {
    double most = w.weight.cwiseAbs().maxCoeff();
    if (w.bias.size() > 0) most = std::max(most, w.bias.cwiseAbs().maxCoeff());
    return most;
}

void update(Matrix& weights, const Matrix& gradient) {
    for (Eigen::Index i = 0; i < weights.size(); ++i)
        weights.data()[i] = adam_first_step(weights.data()[i], gradient.data()[i]);
}

}  // namespace

ModelWeights initial_weights(const Problem& problem) {
    ModelWeights all;
    for (int node = 0; node < problem.nodes(); ++node) {
        for (int op = 0; op < static_cast<int>(problem.operators(node).size()); ++op) {
            const OperatorId id{node, op};
            if (problem.has_weights(id) && problem.owner(id) == id) all[id] = problem.initial(id);
        }
    }
    return all;
}

double reference_loss(const Problem& problem, const ModelWeights& weights) {
    double loss = 0;
    for (int rank = 0; rank < problem.plan.parallel.dp; ++rank)
        for (int mb = 0; mb < problem.micro_batches(); ++mb)
            loss += forward_of(problem, weights, problem.rows(rank, mb)).back().loss();
    return loss;
}

Reference reference_step(const Problem& problem, const ModelWeights& weights) {
    Reference r;
    r.gradients = weights;
    for (auto& [id, sum] : r.gradients) {
        sum.weight.setZero();
        sum.bias.setZero();
    }
    for (int rank = 0; rank < problem.plan.parallel.dp; ++rank) {
        for (int mb = 0; mb < problem.micro_batches(); ++mb) {
            std::vector<NodePass> passes = forward_of(problem, weights, problem.rows(rank, mb));
            r.loss += passes.back().loss();
            Matrix gradient;
            for (int node = problem.nodes() - 1; node >= 0; --node) {
                NodePass& pass = passes[static_cast<std::size_t>(node)];
                if (node + 1 < problem.nodes()) {
                    r.outputs[{node, rank, mb}] = pass.output();
                    r.output_gradients[{node, rank, mb}] = gradient;
                }
                gradient = pass.backward(gradient, r.gradients);
            }
        }
    }
    r.updated = weights;
    for (auto& [id, w] : r.updated) {
        update(w.weight, r.gradients.at(id).weight);
        update(w.bias, r.gradients.at(id).bias);
        r.largest_gradient = std::max(r.largest_gradient, largest(r.gradients.at(id)));
    }
    return r;
}

}  // namespace orrery::study::numeric
