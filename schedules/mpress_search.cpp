#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "schedules/activation_front.hpp"
#include "schedules/mpress.hpp"

namespace orrery::schedules {
namespace {

constexpr double kRounding = 1e-12;

class StageTreatment {
  public:
    StageTreatment(const MPressProblem& problem, int stage) : problem_(problem) {
        const int p = static_cast<int>(problem.first_layer.size());
        plan_.first = problem.first_layer[stage];
        plan_.last = stage + 1 < p ? problem.first_layer[stage + 1] : static_cast<int>(problem.layers.size());
        in_flight_ = p - stage;
        for (int layer = plan_.first; layer < plan_.last; ++layer) {
            const LayerCost& cost = problem.layers[layer];
            state_ += cost.state_bytes;
            all_kept_ += cost.choices.front().kept_bytes;
            plan_.forward += cost.forward;
            plan_.backward += cost.backward;
        }
    }

    /// Room left when everything is kept; negative where the stage overflows.
    double room() const { return problem_.memory_limit - state_ - in_flight_ * all_kept_; }

    /// The plan with so much of the partner's memory at its disposal; nothing where none fits.
    std::optional<StagePlan> treat(double partner_room) {
        if (room() >= -kRounding * problem_.memory_limit)
            return with_choices(keep_all(), 0, state_ + in_flight_ * all_kept_);
        ActivationFront front;
        for (int layer = plan_.first; layer < plan_.last; ++layer)
            front.add(problem_.layers[layer], problem_.peer_rate > 0 && partner_room > 0,
                      problem_.host_rate > 0);
        double best = std::numeric_limits<double>::infinity();
        std::size_t taken = 0;
        for (std::size_t i = 0; i < front.ways().size(); ++i) {
            const ActivationWay& way = front.ways()[i];
            const double slack = kRounding * problem_.memory_limit;
            if (resident(way) > problem_.memory_limit + slack) continue;
            if (way.peer > 0 && in_flight_ * way.peer > partner_room + slack) continue;
            if (const double time = pace(way); time < best) {
                best = time;
                taken = i;
            }
        }
        if (best == std::numeric_limits<double>::infinity()) return std::nullopt;
        guests_ = in_flight_ * front.ways()[taken].peer;
        return with_choices(front.choices(taken), best - plan_.forward - plan_.backward,
                            resident(front.ways()[taken]));
    }

    /// Bytes that the treatment keeps in the partner's memory.
    double guests() const { return guests_; }

  private:
    /// What moves is on the device for one micro-batch on its way out and one on its way in.
    double resident(const ActivationWay& way) const {
        return state_ + in_flight_ * way.kept + 2 * (way.peer + way.host);
    }
    std::vector<int> keep_all() const { return std::vector<int>(plan_.last - plan_.first, 0); }

    /// Time of a micro-batch: computation, or whichever link is busy for longer.
    double pace(const ActivationWay& way) const {
        double time = plan_.forward + plan_.backward + way.extra;
        if (way.peer > 0) time = std::max(time, way.peer / problem_.peer_rate);
        if (way.host > 0) time = std::max(time, way.host / problem_.host_rate);
        return time;
    }

    StagePlan with_choices(std::vector<int> choice, double extra, double peak_bytes) const {
        StagePlan plan = plan_;
        plan.choice = std::move(choice);
        plan.backward += extra;
        plan.peak_bytes = peak_bytes;
        return plan;
    }

    const MPressProblem& problem_;
    StagePlan plan_;
    int in_flight_ = 1;
    double state_ = 0;
    double all_kept_ = 0;  ///< bytes of one micro-batch
    double guests_ = 0;
};

}  // namespace

PartitionPlan mpress_search(const MPressProblem& problem) {
    const int p = static_cast<int>(problem.first_layer.size());
    if (problem.micro_batches < p)
        throw InputError(
            {}, "microbatches",
            fmt::format("mpress fills its pipeline: expected {} or more, not {}", p, problem.micro_batches));
    PartitionPlan plan;
    std::vector<double> guests(static_cast<std::size_t>(p), 0);
    for (int stage = 0; stage < p; ++stage) {
        const double partner_room = StageTreatment(problem, p - 1 - stage).room();
        StageTreatment treatment(problem, stage);
        auto treated = treatment.treat(partner_room);
        guests[p - 1 - stage] = treatment.guests();
        if (!treated)
            throw InputError({}, "memory-limit",
                             fmt::format("stage {} does not fit into {:.4g} whatever is moved or recomputed",
                                         stage, problem.memory_limit));
        plan.stages.push_back(*std::move(treated));
    }
    for (int stage = 0; stage < p; ++stage) plan.stages[stage].peak_bytes += guests[stage];
    plan.time = pipeline_time(plan.stages, problem.micro_batches, problem.communication);
    return plan;
}

}  // namespace orrery::schedules
