// schedules/dynapipe.cpp
//
// The registered schedule is the cyclic order for micro-batches of equal size; without a memory limit it has
// 2(p-s)-1 in flight on stage s, as eager 1F1B.
#include "schedules/dynapipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostSamples = 2000;

class Cutting {
  public:
    Cutting(const std::vector<int>& lengths, int depth, const BatchCost& time, const BatchCost& memory,
            double limit)
        : count_(static_cast<int>(lengths.size())), depth_(depth), times_(lengths.size()) {
        for (int end = 1; end <= count_; ++end)
            for (int samples = 1; samples <= end; ++samples) {
                const int longest = lengths[end - 1];
                const bool fits = memory(samples, longest) <= limit;
                times_[end - 1].push_back(fits ? time(samples, longest) : kImpossible);
                if (fits) bounds_.push_back(times_[end - 1].back());
            }
        std::sort(bounds_.begin(), bounds_.end());
        bounds_.erase(std::unique(bounds_.begin(), bounds_.end()), bounds_.end());
    }

    BatchPlan search() {
        BatchPlan best{kImpossible, {}};
        for (const double bound : bounds_) {
            if ((depth_ - 1) * bound >= best.time) break;
            const double sum = smallest_sum(bound);
            if (sum + (depth_ - 1) * bound < best.time) best = {sum + (depth_ - 1) * bound, sizes()};
        }
        return best;
    }

  private:
    double smallest_sum(double bound) {
        std::vector<double> sum(static_cast<std::size_t>(count_) + 1, kImpossible);
        last_.assign(static_cast<std::size_t>(count_) + 1, 0);
        sum[0] = 0;
        for (int end = 1; end <= count_; ++end)
            for (int samples = 1; samples <= end; ++samples) {
                const double time = times_[end - 1][samples - 1];
                if (time > bound || sum[end - samples] + time >= sum[end]) continue;
                sum[end] = sum[end - samples] + time;
                last_[end] = samples;
            }
        return sum[count_];
    }
    std::vector<int> sizes() const {
        std::vector<int> sizes;
        for (int end = count_; end > 0; end -= last_[end]) sizes.push_back(last_[end]);
        std::reverse(sizes.begin(), sizes.end());
        return sizes;
    }

    int count_, depth_;
    std::vector<std::vector<double>> times_;  ///< [last sample][samples - 1]
    std::vector<double> bounds_;
    std::vector<int> last_;
};

}  // namespace

BatchPlan best_micro_batches(const std::vector<int>& lengths, int depth, const BatchCost& time,
                             const BatchCost& memory, double memory_limit) {
    if (lengths.empty() || lengths.size() > kMostSamples)
        throw InputError({}, "samples",
                         fmt::format("expected 1 to {} samples, not {}", kMostSamples, lengths.size()));
    if (!std::is_sorted(lengths.begin(), lengths.end()) || lengths.front() < 1)
        throw InputError({}, "samples", "expected positive lengths in ascending order");
    if (memory(1, lengths.back()) > memory_limit)
        throw InputError({}, "memory-limit",
                         fmt::format("a sample of length {} alone does not fit", lengths.back()));
    return Cutting(lengths, depth, time, memory, memory_limit).search();
}

std::vector<std::vector<Action>> cyclic_orders(int devices, const std::vector<double>& sizes, double limit) {
    const double largest = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
    if (largest > limit)
        throw InputError(
            {}, "memory-limit",
            fmt::format("must hold the largest micro-batch, {:.4g}, not {:.4g}", largest, limit));
    const auto p = static_cast<std::size_t>(devices);
    struct Stage {
        std::deque<int> forwards, backwards;
        double used = 0;
    };
    std::vector<Stage> stages(p);
    for (std::size_t k = 0; k < sizes.size(); ++k) stages[0].forwards.push_back(static_cast<int>(k));
    std::vector<std::vector<Action>> orders(p);
    const std::size_t all = 2 * sizes.size() * p;
    for (std::size_t done = 0; done < all;) {
        std::vector<int> ran_forward(p, -1), ran_backward(p, -1);
        for (std::size_t s = 0; s < p; ++s) {
            Stage& stage = stages[s];
            const int position = static_cast<int>(s);
            if (!stage.forwards.empty() && stage.used + sizes[stage.forwards.front()] <= limit + 1e-12) {
                ran_forward[s] = stage.forwards.front();
                stage.forwards.pop_front();
                stage.used += sizes[ran_forward[s]];
                orders[s].push_back({ActionKind::forward, ran_forward[s], position});
            }
            if (!stage.backwards.empty()) {
                ran_backward[s] = stage.backwards.front();
                stage.backwards.pop_front();
                stage.used -= sizes[ran_backward[s]];
                orders[s].push_back({ActionKind::backward, ran_backward[s], position});
            }
        }
        // What ran in this cycle reaches its neighbours for the next.
        for (std::size_t s = 0; s < p; ++s) {
            if (ran_forward[s] >= 0) {
                ++done;
                (s + 1 < p ? stages[s + 1].forwards : stages[s].backwards).push_back(ran_forward[s]);
            }
            if (ran_backward[s] >= 0) {
                ++done;
                if (s > 0) stages[s - 1].backwards.push_back(ran_backward[s]);
            }
        }
    }
    return orders;
}

Schedule dynapipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("dynapipe", shape);
    require_chunks("dynapipe", shape, 1);
    require_whole_sequences("dynapipe", shape);
    require_variant("dynapipe", shape, {""});
    const auto m = static_cast<std::size_t>(shape.micro_batches);
    schedule.orders = cyclic_orders(shape.devices, std::vector<double>(m, 1.0),
                                    shape.memory_limit.value_or(shape.micro_batches));
    return schedule;
}

}  // namespace orrery::schedules
