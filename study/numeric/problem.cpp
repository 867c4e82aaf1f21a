#include "study/numeric/problem.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <string>

#include "core/error.hpp"
#include "models/emit.hpp"
#include "parallel/lower.hpp"

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;

namespace {

void refuse(const models::Model& model, const parallel::Plan& plan, const schedules::Schedule& schedule) {
    const models::TransformerShape& s = model.shape;
    const auto no = [](bool given, const std::string& what, const std::string& expected) {
        if (given)
            throw ExperimentError("the numeric check does not compute " + what + "; expected " + expected);
    };
    no(s.experts.count > 0, "mixtures of experts", "a dense model");
    no(!s.towers.empty(), "models of several towers", "a chain of layers");
    no(s.encoder_layers > 0, "encoder-decoder models", "family gpt or llama");
    no(s.attention == models::AttentionKind::latent, "latent attention", "attention of grouped queries");
    no(s.predicted_ahead > 0, "multi-token prediction", "predicted_ahead 0");
    no(s.position == models::PositionKind::relative, "relative positions", "another position");
    no(s.kv_heads % plan.parallel.tp != 0, "heads of keys that several tensor-parallel ranks hold",
       "a tp that divides kv_heads");
    no(plan.parallel.cp > 1, "context parallelism", "parallel.cp 1");
    no(!schedule.synchronous,
       "schedule " + schedule.name + ", which has no flush and so no step of one set of weights",
       "a schedule with a flush");
}

/// Normally distributed by Box and Muller's transform: the standard's distributions differ between libraries.
class Normal {
  public:
    explicit Normal(OperatorId id, int which)
        : random_(static_cast<std::uint64_t>(id.node * 1000 + id.op * 10 + which + 1)) {}
    double operator()() {
        const double a = 1 - uniform();
        return std::sqrt(-2 * std::log(a)) * std::cos(2 * std::numbers::pi * uniform());
    }

  private:
    double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
    std::mt19937_64 random_;
};

Matrix drawn(Eigen::Index rows, Eigen::Index columns, double mean, double deviation, Normal random) {
    Matrix m(rows, columns);
    for (Eigen::Index i = 0; i < m.size(); ++i) m.data()[i] = mean + deviation * random();
    return m;
}

}  // namespace

Problem::Problem(const models::Model& the_model, const parallel::Plan& the_plan,
                 const models::Software& the_software, const schedules::Schedule& schedule)
    : model(the_model),
      plan(the_plan),
      software(the_software),
      vocabulary_(models::padded_vocabulary(the_model.shape.vocab, the_plan.parallel.tp, the_software)),
      sequence_(the_plan.training.seq_length > 0 ? the_plan.training.seq_length : the_model.shape.seq_length),
      micro_batches_(schedule.micro_batches),
      slice_begin_{0} {
    refuse(model, plan, schedule);
    for (const std::int64_t length : parallel::slice_lengths(plan, sequence_))
        slice_begin_.push_back(slice_begin_.back() + length);
}

Rows Problem::rows(int dp_rank, int micro_batch) const {
    const std::int64_t batch = plan.training.micro_batch;
    return {(std::int64_t{dp_rank} * micro_batches_ + micro_batch) * batch, batch, 0, sequence_};
}

Rows Problem::rows(int dp_rank, int micro_batch, int slice) const {
    Rows all = rows(dp_rank, micro_batch);
    const auto s = static_cast<std::size_t>(slice);
    all.first_token = slice_begin_[s];
    all.tokens = slice_begin_[s + 1] - slice_begin_[s];
    return all;
}

std::int64_t Problem::word(std::int64_t sample, std::int64_t token) const {
    std::mt19937_64 random(static_cast<std::uint64_t>(sample * 1000003 + token));
    return static_cast<std::int64_t>(random() %
                                     static_cast<std::uint64_t>(std::min(vocabulary_, model.shape.vocab)));
}

std::vector<std::int64_t> Problem::words(const Rows& rows) const {
    std::vector<std::int64_t> list;
    for (std::int64_t i = 0; i < rows.count(); ++i) list.push_back(word(rows.sample(i), rows.token(i)));
    return list;
}

std::vector<std::int64_t> Problem::targets(const Rows& rows) const {
    std::vector<std::int64_t> list;
    for (std::int64_t i = 0; i < rows.count(); ++i) list.push_back(word(rows.sample(i), rows.token(i) + 1));
    return list;
}

double Problem::token_weight() const {
    const std::int64_t samples = plan.training.micro_batch * micro_batches_ * plan.parallel.dp;
    return 1 / static_cast<double>(samples * sequence_);
}

bool Problem::has_weights(OperatorId id) const {
    return operators(id.node)[static_cast<std::size_t>(id.op)].parameters() > 0;
}

OperatorId Problem::owner(OperatorId id) const {
    const Operator& op = operators(id.node)[static_cast<std::size_t>(id.op)];
    return op.tied && op.kind == OperatorKind::linear ? OperatorId{0, 0} : id;
}

Weights Problem::initial(OperatorId id) const {
    id = owner(id);
    const Operator& op = operators(id.node)[static_cast<std::size_t>(id.op)];
    const Normal values(id, 0);
    const Normal biases(id, 1);
    const double deviation = 1 / std::sqrt(static_cast<double>(op.in_features));
    Weights w;
    switch (op.kind) {
        case OperatorKind::token_embedding:
            w.weight = drawn(vocabulary_, op.out_features, 0, 0.3, values);
            return w;
        case OperatorKind::position_embedding:
            w.weight = drawn(op.in_features, op.out_features, 0, 0.3, values);
            return w;
        case OperatorKind::norm:
            w.weight = drawn(1, op.in_features, 1, 0.1, values);
            if (op.bias && op.norm == models::NormKind::layer_norm)
                w.bias = drawn(1, op.in_features, 0, 0.1, biases);
            return w;
        case OperatorKind::head_norm:
            w.weight = drawn(2, op.head_dim, 1, 0.1, values);
            return w;
        default:
            break;
    }
    const bool words = op.split == models::Split::vocabulary;
    w.weight = drawn(words ? vocabulary_ : op.out_features, op.in_features, 0, deviation, values);
    if (op.bias) w.bias = drawn(1, op.out_features, 0, 0.1, biases);
    return w;
}

double adam_first_step(double weight, double gradient) {
    constexpr double kRate = 0.01;
    constexpr double kMomentum = 0.9;
    constexpr double kVariance = 0.999;
    constexpr double kSmall = 1e-8;
    const double m = (1 - kMomentum) * gradient / (1 - kMomentum);
    const double v = (1 - kVariance) * gradient * gradient / (1 - kVariance);
    return weight - kRate * m / (std::sqrt(v) + kSmall);
}

}  // namespace orrery::study::numeric
