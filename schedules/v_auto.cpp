// schedules/v_auto.cpp
//
// The V-shaped schedule for a memory limit and given times (Qi et al. 2024, "Pipeline Parallelism with
// Controllable Memory", section 3.3: the adaptive scheduler searches building blocks). All distances between
// neighbouring devices from 1 to 6 for the forwards down and up and the backwards down and up, all turns that
// leave no collision, and blocks bent once (appendix A): each block is repeated and evaluated with the
// shape's times on a batch with a steady state. The shortest within the limit, ZB-V's order among them, are
// completed (schedules/tessel_completion.hpp) and the best is taken; of equally long ones, the one with fewer
// activations. Blocks whose passes are far apart hold more, so those that cannot fit are not built at all.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "core/error.hpp"
#include "schedules/building_block.hpp"
#include "schedules/evaluate.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/tessel_completion.hpp"

namespace orrery::schedules {
namespace {

constexpr double kRounding = 1e-9;
constexpr int kPeriod = 6;
constexpr int kMostDistance = 6;
constexpr std::size_t kFinalists = 8;  ///< blocks whose warm-up and drain are completed

struct Found {
    BlockOffsets offsets;
    double makespan = 0;
    double peak = 0;
    double ends = 0;  ///< sum over the devices' ends: tells most blocks with other orders apart
};

/// Shorter first; of equally long ones the one with fewer activations.
bool better(const Found& a, const Found& b) {
    if (std::abs(a.makespan - b.makespan) > kRounding * b.makespan) return a.makespan < b.makespan;
    return a.peak < b.peak * (1 - kRounding);
}

InputError does_not_fit(const PipelineShape& shape) {
    return {{},
            "memory-limit",
            fmt::format("no V-shaped schedule fits into {:.4g} micro-batch activations",
                        shape.memory_limit.value_or(shape.devices))};
}

class BlockSearch {
  public:
    BlockSearch(const PipelineShape& shape, Schedule& schedule)
        : shape_(shape), schedule_(schedule), limit_(shape.memory_limit.value_or(shape.devices)) {
        // Long enough for a steady state; the order of more repeats it.
        schedule_.micro_batches = std::min(shape.micro_batches, 3 * shape.devices);
    }

    /// The best blocks, best first; at least one.
    std::vector<Found> run() {
        for (int a = 1; a <= kMostDistance; ++a)
            for (int b = 1; b <= kMostDistance; ++b)
                for (int c = 1; c <= kMostDistance; ++c)
                    for (int d = 1; d <= kMostDistance && !time_is_up(); ++d)
                        if (const auto offsets = shortest_turns({a, b, c, d})) try_block(*offsets);
        // Where forwards and backwards keep the same distances, all turns.
        for (int a = 1; a <= kMostDistance; ++a)
            for (int b = 1; b <= kMostDistance; ++b) try_turns({a, b, a, b}, {a, b, a, b}, 1);
        // Forwards and backwards down closer together behind one of the devices.
        for (int far = 1; far < kMostDistance; ++far)
            for (int near = far + 1; near < kMostDistance; ++near)
                for (int hops = 1; hops + 1 < shape_.devices; ++hops)
                    try_turns({near, 1, near, 1}, {far, 1, far, 1}, hops);
        if (best_.empty()) throw does_not_fit(shape_);
        return best_;
    }

  private:
    bool time_is_up() const {
        if (!shape_.time_limit) return false;
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count() >
               *shape_.time_limit;
    }

    void try_turns(const std::array<int, 4>& near, const std::array<int, 4>& far, int near_hops) {
        for (int turns = 0; turns < kPeriod * kPeriod * kPeriod && !time_is_up(); ++turns)
            try_block({near,
                       {1 + turns % kPeriod, 1 + turns / kPeriod % kPeriod, 1 + turns / kPeriod / kPeriod},
                       far,
                       near_hops});
    }

    void try_block(const BlockOffsets& offsets) {
        const BuildingBlock block = building_block(shape_.devices, offsets);
        if (collides(block) || least_alive(block) > 2 * limit_ + kRounding) return;
        schedule_.orders = repeat_block(block, schedule_.micro_batches);
        const Evaluation evaluation = evaluate(schedule_, action_times(shape_));
        const double peak =
            *std::max_element(evaluation.peak_activation.begin(), evaluation.peak_activation.end());
        if (peak > limit_ * (1 + kRounding)) return;
        add({offsets, evaluation.makespan, peak,
             std::accumulate(evaluation.last_end.begin(), evaluation.last_end.end(), 0.0)});
    }

    void add(const Found& found) {
        const auto place = std::upper_bound(best_.begin(), best_.end(), found, better);
        const auto same = [&](const Found& other) {
            return other.makespan == found.makespan && other.peak == found.peak && other.ends == found.ends;
        };
        if (std::any_of(best_.begin(), best_.end(), same)) return;
        const bool first = place == best_.begin();
        best_.insert(place, found);
        if (best_.size() > kFinalists) best_.pop_back();
        if (first && shape_.progress)
            shape_.progress(fmt::format("distances {}: makespan {:.6g} of {} micro-batches, peak {:.4g}",
                                        fmt::join(found.offsets.between_devices, ","), found.makespan,
                                        schedule_.micro_batches, found.peak));
    }

    std::optional<BlockOffsets> shortest_turns(const std::array<int, 4>& distances) const {
        try {
            return with_shortest_turns(shape_.devices, distances);
        } catch (const InputError&) {
            return std::nullopt;  // they collide whatever the turns
        }
    }

    /// Chunk activations that some device holds in the steady state, W at once behind its B.
    static double least_alive(const BuildingBlock& block) {
        double most = 0;
        for (const auto& slots : block.slots) {
            const double life = (slots[3] - slots[0]) + (slots[2] - slots[1]);
            most = std::max(most, life / kPeriod);
        }
        return most;
    }

    const PipelineShape& shape_;
    Schedule& schedule_;
    double limit_;
    std::vector<Found> best_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// The best of several orders for the whole batch, each with its warm-up and drain completed.
class Finalists {
  public:
    Finalists(const PipelineShape& shape, const Schedule& schedule)
        : shape_(shape),
          times_(action_times(shape)),
          limit_(shape.memory_limit.value_or(shape.devices)),
          candidate_(schedule) {
        candidate_.micro_batches = shape.micro_batches;
    }

    /// How many are worth completing: completion replays the whole batch for each exchange it tries.
    [[nodiscard]] std::size_t most() const {
        constexpr double kActionsReplayed = 2e7;
        constexpr double kSweeps = 12;  // over all exchanges, until none is left
        const double actions = 6.0 * shape_.devices * shape_.micro_batches;
        return static_cast<std::size_t>(
            std::clamp(kActionsReplayed / (kSweeps * actions * actions), 1.0, double{kFinalists}));
    }

    void enter(std::vector<std::vector<Action>> orders) {
        candidate_.orders = std::move(orders);
        if (!measure()) return;
        constexpr std::size_t kSmall = 20'000;  // actions; a larger batch is mostly steady state
        if (std::size_t{6} * shape_.devices * shape_.micro_batches <= kSmall)
            complete(candidate_, times_,
                     {.memory_limit = limit_,
                      .seconds = seconds_left(),
                      .depth = 3 * shape_.micro_batches,
                      .progress = shape_.progress});
        const auto found = measure();
        if (!found || (best_ && !better(*found, *best_))) return;
        best_ = found;
        orders_ = candidate_.orders;
    }

    /// Empty: none keeps the limit.
    std::vector<std::vector<Action>> take() { return std::move(orders_); }

  private:
    /// Nothing where the candidate exceeds the limit.
    std::optional<Found> measure() const {
        const Evaluation evaluation = evaluate(candidate_, times_);
        const auto& peaks = evaluation.peak_activation;
        const double peak = *std::max_element(peaks.begin(), peaks.end());
        if (peak > limit_ * (1 + kRounding)) return std::nullopt;
        return Found{{}, evaluation.makespan, peak, 0};
    }
    double seconds_left() const {
        if (!shape_.time_limit) return std::numeric_limits<double>::infinity();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began_;
        return *shape_.time_limit - spent.count();
    }

    const PipelineShape& shape_;
    ActionTimes times_;
    double limit_;
    Schedule candidate_;
    std::optional<Found> best_;
    std::vector<std::vector<Action>> orders_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// ZB-V's own search may be shorter where its limit is the same.
void enter_zb_v(const PipelineShape& shape, Finalists& finalists) {
    try {
        finalists.enter(zb_v(shape).orders);
    } catch (const InputError&) {
        return;  // it does not fit at all
    }
}

}  // namespace

Schedule v_auto(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("v-auto", shape);
    require_chunks("v-auto", shape, 2);
    require_whole_sequences("v-auto", shape);
    require_variant("v-auto", shape, {""});
    schedule.placement = {wave_placement(shape.devices, 2)};
    Finalists finalists(shape, schedule);
    std::vector<Found> blocks = BlockSearch(shape, schedule).run();
    blocks.resize(std::min(blocks.size(), finalists.most()));
    for (const Found& block : blocks)
        finalists.enter(repeat_block(building_block(shape.devices, block.offsets), shape.micro_batches));
    enter_zb_v(shape, finalists);
    schedule.micro_batches = shape.micro_batches;
    schedule.orders = finalists.take();
    if (schedule.orders.empty()) throw does_not_fit(shape);
    return schedule;
}

}  // namespace orrery::schedules
