#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "schedules/mcap.hpp"

namespace orrery::schedules {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();

class Cut {
  public:
    Cut(const std::vector<LayerCost>& layers, const std::vector<int>& in_flight)
        : in_flight_(in_flight),
          p_(static_cast<int>(in_flight.size())),
          count_(static_cast<int>(layers.size())) {
        for (const LayerCost& layer : layers) {
            state_.push_back(state_.back() + layer.state_bytes);
            kept_.push_back(kept_.back() + layer.choices.front().kept_bytes);
            forward_.push_back(forward_.back() + layer.forward);
            backward_.push_back(backward_.back() + layer.backward);
        }
    }

    PartitionPlan run() {
        const double peak =
            smallest_largest([&](int stage, int first, int last) { return bytes(stage, first, last); });
        smallest_largest([&](int stage, int first, int last) {
            return bytes(stage, first, last) <= peak ? time(first, last) : kImpossible;
        });
        PartitionPlan plan;
        for (int stage = 0, first = 0; stage < p_; ++stage) {
            const int last = next_[stage][first];
            plan.stages.push_back({first, last, std::vector<int>(last - first, 0),
                                   forward_[last] - forward_[first], backward_[last] - backward_[first],
                                   bytes(stage, first, last)});
            first = last;
        }
        return plan;
    }

  private:
    double bytes(int stage, int first, int last) const {
        return state_[last] - state_[first] + in_flight_[stage] * (kept_[last] - kept_[first]);
    }
    double time(int first, int last) const {
        return forward_[last] - forward_[first] + backward_[last] - backward_[first];
    }

    /// The cut whose largest cost of a stage is smallest, left in next_; gives that cost.
    template <class Cost>
    double smallest_largest(Cost cost) {
        std::vector<double> after(static_cast<std::size_t>(count_) + 1, kImpossible);
        after[count_] = 0;
        next_.assign(static_cast<std::size_t>(p_), std::vector<int>(static_cast<std::size_t>(count_) + 1, 0));
        for (int stage = p_ - 1; stage >= 0; --stage) {
            std::vector<double> best(static_cast<std::size_t>(count_) + 1, kImpossible);
            for (int first = stage; first < count_; ++first)
                for (int last = first + 1; last <= count_; ++last) {
                    const double largest = std::max(cost(stage, first, last), after[last]);
                    if (largest >= best[first]) continue;
                    best[first] = largest;
                    next_[stage][first] = last;
                }
            after = std::move(best);
        }
        return after[0];
    }

    const std::vector<int>& in_flight_;
    int p_, count_;
    std::vector<double> state_{0}, kept_{0}, forward_{0}, backward_{0};  ///< of all layers before one
    std::vector<std::vector<int>> next_;                                 ///< [stage][first layer]
};

}  // namespace

PartitionPlan mcap_search(const std::vector<LayerCost>& layers, const std::vector<int>& in_flight) {
    if (in_flight.empty() || in_flight.size() > layers.size())
        throw InputError({}, "stages",
                         fmt::format("expected 1 to {}, a layer a stage at least, not {}", layers.size(),
                                     in_flight.size()));
    return Cut(layers, in_flight).run();
}

}  // namespace orrery::schedules
