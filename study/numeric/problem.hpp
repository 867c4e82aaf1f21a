// study/numeric/problem.hpp
//
// What is trained in a numeric check: the plan's model with weights and words drawn at random, always the
// same, and the micro-batches as the plan divides the batch. The vocabulary is the plan's, padded as the
// software pads it.
#pragma once

#include <cstdint>
#include <vector>

#include "models/graph.hpp"
#include "models/software.hpp"
#include "parallel/plan.hpp"
#include "schedules/schedule.hpp"
#include "study/numeric/matrix.hpp"

namespace orrery::study::numeric {

class Problem {
  public:
    /// Throws ExperimentError for models and plans whose mathematics is not written: experts, towers,
    /// encoders, latent attention, multi-token prediction, relative positions, more tensor-parallel ranks
    /// than heads of keys, context parallelism, schedules without a flush.
    Problem(const models::Model& model, const parallel::Plan& plan, const models::Software& software,
            const schedules::Schedule& schedule);

    const models::Model& model;
    const parallel::Plan& plan;
    const models::Software& software;

    [[nodiscard]] int nodes() const { return static_cast<int>(model.nodes.size()); }
    [[nodiscard]] const std::vector<models::Operator>& operators(int node) const {
        return model.layer(node).operators;
    }
    [[nodiscard]] int micro_batches() const { return micro_batches_; }
    /// Activations between a layer's divided parts are divided along the sequence.
    [[nodiscard]] bool divides_sequence() const {
        return plan.parallel.sequence_parallel && plan.parallel.tp > 1;
    }
    /// Each tensor-parallel rank sends a share to the next stage (models/software.hpp).
    [[nodiscard]] bool scatters_messages() const {
        return software.scatter_gather_p2p && plan.parallel.tp > 1 && !divides_sequence();
    }
    [[nodiscard]] bool linear_biases() const { return model.shape.position == models::PositionKind::alibi; }
    [[nodiscard]] int slices() const { return static_cast<int>(slice_begin_.size()) - 1; }

    /// Whole sequences of a micro-batch of a data-parallel rank; or a token slice of them.
    [[nodiscard]] Rows rows(int dp_rank, int micro_batch) const;
    [[nodiscard]] Rows rows(int dp_rank, int micro_batch, int slice) const;
    [[nodiscard]] std::vector<std::int64_t> words(const Rows& rows) const;
    [[nodiscard]] std::vector<std::int64_t> targets(const Rows& rows) const;
    /// The loss is the mean over the batch's tokens: what each of them counts.
    [[nodiscard]] double token_weight() const;

    [[nodiscard]] bool has_weights(OperatorId id) const;
    /// The operator whose weights it uses: the embedding for a tied output projection, else itself.
    [[nodiscard]] OperatorId owner(OperatorId id) const;
    /// Of the whole operator, at the begin of the step.
    [[nodiscard]] Weights initial(OperatorId id) const;

  private:
    [[nodiscard]] std::int64_t word(std::int64_t sample, std::int64_t token) const;

    std::int64_t vocabulary_;  ///< padded
    std::int64_t sequence_;
    int micro_batches_;
    std::vector<std::int64_t> slice_begin_;  ///< and the sequence's end
};

/// Weights after the first step of Adam (Kingma and Ba 2015; learning rate 0.01, betas 0.9 and 0.999, epsilon
/// 1e-8).
double adam_first_step(double weight, double gradient);

}  // namespace orrery::study::numeric
