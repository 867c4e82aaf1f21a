// study/numeric/check.hpp
//
// Does a lowered program compute the training step that it stands for? Its tasks are executed by what they
// mean (parallel/meaning.hpp), in double precision, with all ranks in one process: kernels on the rank's own
// shares of weights and activations, operations between ranks on all members' buffers. Loss, every gradient
// and the weights after one step must be those of one rank that holds everything (reference.hpp). The tasks
// run in the simulated order and in other legal ones, so that a dependency that is missing, and is met by
// chance in the one, is found in the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/lower.hpp"
#include "sim/timeline.hpp"

namespace orrery::study::numeric {

struct CheckOptions {
    double tolerance = 1e-9;  ///< relative, of loss, gradients, weights and outputs of layers
    int random_orders = 3;    ///< beside the simulated one and four extremes
};

struct CheckFailure {
    std::string order;
    std::string task;  ///< as sim::describe names it; "the end of the step"
    std::string what;
};

struct CheckOutcome {
    std::uint64_t tasks = 0;
    std::uint64_t ranks = 0;
    std::vector<std::string> orders;  ///< executed, the failing one last
    double loss = 0;
    double reference_loss = 0;
    // Largest relative deviations.
    double loss_error = 0;
    double activation_error = 0;  ///< of outputs of layers and their gradients
    double gradient_error = 0;
    double weight_error = 0;
    /// Operations whose buffers have another size than the program prices, each kind once.
    std::vector<std::string> other_volumes;
    std::optional<CheckFailure> failure;
};

/// What was lowered, with what it was lowered from.
struct Checked {
    const models::Model& model;
    const parallel::Plan& plan;
    const models::Software& software;
    const schedules::Schedule& schedule;
    const parallel::Lowered& lowered;  ///< with meanings, unfolded
    const sim::Timeline* timeline = nullptr;
};

/// Throws ExperimentError for what the check does not compute (Problem).
CheckOutcome check(const Checked& checked, const CheckOptions& options = {});

}  // namespace orrery::study::numeric
