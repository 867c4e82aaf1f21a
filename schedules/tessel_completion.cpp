#include "schedules/tessel_completion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "core/error.hpp"

namespace orrery::schedules {
namespace {

constexpr double kRounding = 1e-9;
constexpr int kMostActionsReplayed = 20'000'000;

/// How good a completion is; smaller is better.
struct Length {
    double makespan = 0;
    double ends = 0;  ///< sum of the devices' last ends
    bool operator<(const Length& other) const {
        const double slack = kRounding * makespan;
        if (makespan < other.makespan - slack) return true;
        return makespan < other.makespan + slack && ends < other.ends - slack;
    }
};

class Completion {
  public:
    Completion(Schedule& schedule, const ActionTimes& times, const CompletionLimits& limits)
        : schedule_(schedule), times_(times), limits_(limits), began_(std::chrono::steady_clock::now()) {}

    void run() {
        best_ = *measure();
        const double before = best_.makespan;
        bool better = true;
        while (better && !done()) {
            better = false;
            for (std::size_t device = 0; device < schedule_.orders.size(); ++device)
                better = improve(schedule_.orders[device]) || better;
        }
        if (limits_.progress)
            limits_.progress(
                fmt::format("makespan {:.6g}, {:.6g} before completion", best_.makespan, before));
    }

  private:
    bool done() const {
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began_;
        return replayed_ > kMostActionsReplayed || spent.count() > limits_.seconds;
    }

    bool improve(std::vector<Action>& order) {
        // Two actions a stage and micro-batch.
        const std::size_t ends = std::min(
            order.size(), std::size_t{2} * static_cast<std::size_t>(limits_.depth) * schedule_.chunks);
        bool better = false;
        for (std::size_t i = 0; i + 1 < order.size() && !done(); ++i) {
            if (i >= ends && i + 1 + ends < order.size()) continue;  // the steady state
            std::swap(order[i], order[i + 1]);
            const auto length = measure();
            if (length && *length < best_) {
                best_ = *length;
                better = true;
            } else {
                std::swap(order[i], order[i + 1]);
            }
        }
        return better;
    }

    /// Nothing where the orders wait for each other or memory does not suffice.
    std::optional<Length> measure() {
        for (const auto& order : schedule_.orders) replayed_ += order.size();
        try {
            const Evaluation evaluation = evaluate(schedule_, times_);
            for (const double peak : evaluation.peak_activation)
                if (peak > limits_.memory_limit * (1 + kRounding)) return std::nullopt;
            return Length{evaluation.makespan,
                          std::accumulate(evaluation.last_end.begin(), evaluation.last_end.end(), 0.0)};
        } catch (const SimulationError&) {
            return std::nullopt;
        }
    }

    Schedule& schedule_;
    const ActionTimes& times_;
    const CompletionLimits& limits_;
    std::chrono::steady_clock::time_point began_;
    Length best_;
    std::size_t replayed_ = 0;
};

}  // namespace

void complete(Schedule& schedule, const ActionTimes& times, const CompletionLimits& limits) {
    Completion(schedule, times, limits).run();
}

}  // namespace orrery::schedules
