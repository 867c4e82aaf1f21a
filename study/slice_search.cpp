#include "study/slice_search.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "parallel/program_builder.hpp"
#include "parallel/tensor/megatron.hpp"
#include "schedules/terapipe_slices.hpp"
#include "study/kind_prices.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {
namespace {

/// Prices passes over one block for slices of any length and context.
class SlicePrices {
  public:
    explicit SlicePrices(const Experiment& experiment)
        : e_(experiment),
          model_(models::build_transformer(experiment.model)),
          software_(shared_software(experiment.plan.software)) {
        const parallel::Parallelism& p = e_.plan.parallel;
        std::vector<std::uint32_t> ranks;
        for (int t = 0; t < p.tp; ++t) ranks.push_back(parallel::device_of(p, {t, 0, 0, 0}));
        tp_group_.devices = ranks;
    }

    /// Of a stage with an average number of blocks, forward and backward.
    double operator()(int tokens, int context) const {
        models::LocalShape shape;
        shape.batch = e_.plan.training.micro_batch;
        shape.seq = tokens;
        shape.keys = context + tokens;
        shape.sliced = true;
        shape.tp = e_.plan.parallel.tp;
        shape.sequence_parallel = e_.plan.parallel.sequence_parallel && shape.tp > 1;
        shape.precision = e_.plan.training.precision;
        sim::Program works;
        works.groups.push_back(tp_group_);
        add(parallel::Pass::forward, shape, works);
        if (e_.plan.training.recompute == parallel::RecomputePolicy::full)
            add(parallel::Pass::forward, shape, works);
        add(parallel::Pass::backward, shape, works);
        double time = 0;
        for (const sim::WorkCost& cost : prices_of(e_, works).costs) time += cost.duration_s;
        return time * static_cast<double>(e_.model.layers) / e_.plan.parallel.pp;
    }

  private:
    void add(parallel::Pass pass, const models::LocalShape& shape, sim::Program& works) const {
        const bool selective = e_.plan.training.recompute == parallel::RecomputePolicy::selective;
        constexpr int kBlock = 1;
        for (const parallel::Step& step :
             parallel::layer_steps(model_.layer(kBlock), shape, *software_, e_.plan.parallel, pass,
                                   selective && pass != parallel::Pass::forward)) {
            if (step.kind == parallel::Step::Kind::kernel)
                works.works.emplace_back(sim::KernelSequence{{step.kernel}});
            if (step.kind == parallel::Step::Kind::collective)
                works.works.emplace_back(sim::Collective{step.collective, step.bytes, 0, 0});
        }
    }

    const Experiment& e_;
    models::Model model_;
    std::shared_ptr<const models::Software> software_;
    sim::Group tp_group_;
};

/// The finest cut that the search has time for, about a tenth of a second: its work grows with the fourth
/// power of the parts.
int step_of(const Experiment& experiment) {
    constexpr double kMostWork = 5e7;
    const parallel::Plan& plan = experiment.plan;
    const std::int64_t length = plan.training.seq_length;
    const int divided = plan.parallel.sequence_parallel ? plan.parallel.tp : 1;
    const auto micro_batches = static_cast<double>(plan.training.micro_batches(plan.parallel));
    for (const int parts : {64, 32, 16, 8, 4, 2}) {
        const bool divides = length % parts == 0 && length / parts % divided == 0;
        if (divides && std::pow(parts, 4) / 4 * micro_batches <= kMostWork)
            return static_cast<int>(length / parts);
    }
    if (4 * micro_batches > kMostWork)
        throw InputError(
            experiment.where("schedule.slice_lengths"), "schedule.slice_lengths",
            fmt::format("auto: {} micro-batches are too many to search; expected {} or fewer, or "
                        "the lengths themselves",
                        micro_batches, kMostWork / 4));
    throw InputError(experiment.where("schedule.slice_lengths"), "schedule.slice_lengths",
                     fmt::format("auto: {} tokens cannot be cut into halves{}", length,
                                 divided > 1 ? fmt::format(" that tp {} divides", divided) : ""));
}

}  // namespace

std::vector<std::int64_t> best_slice_lengths(const Experiment& experiment) {
    const SlicePrices prices(experiment);
    const parallel::Plan& plan = experiment.plan;
    // Micro-batches follow each other through the pipeline as the program's sequences do, one at a time.
    const auto time = [&](int micro_batches, int tokens, int context) {
        return micro_batches == 1 ? prices(tokens, context) : std::numeric_limits<double>::infinity();
    };
    const schedules::SlicePlan best =
        schedules::best_slices(static_cast<int>(plan.training.seq_length),
                               static_cast<int>(plan.training.micro_batches(plan.parallel)), plan.parallel.pp,
                               step_of(experiment), time);
    const std::vector<int>& lengths = best.groups.front().lengths;
    return {lengths.begin(), lengths.end()};
}

}  // namespace orrery::study
