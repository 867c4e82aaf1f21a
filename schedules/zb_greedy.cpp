#include "schedules/zb_greedy.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

namespace orrery::schedules {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1e-9;  ///< relative slack when memory is held against the limit

struct Next {
    double start = kNever;
    ActionKind kind = ActionKind::forward;
};

class Greedy {
  public:
    explicit Greedy(const ZeroBubbleProblem& problem)
        : problem_(problem), p_(static_cast<std::size_t>(problem.devices)), stages_(p_) {}

    std::optional<ZeroBubbleOrder> run() {
        const auto m = static_cast<std::size_t>(problem_.micro_batches);
        for (std::size_t left = 3 * p_ * m; left > 0; --left) {
            // What starts first among all stages: nothing that starts later can make an input earlier.
            std::size_t first = 0;
            Next soonest;
            for (std::size_t stage = 0; stage < p_; ++stage)
                if (const Next next = next_of(stage); next.start < soonest.start) {
                    soonest = next;
                    first = stage;
                }
            if (soonest.start == kNever) return std::nullopt;
            put(first, soonest);
        }
        ZeroBubbleOrder found;
        for (Stage& stage : stages_) {
            found.longest_span = std::max(found.longest_span, stage.clock - stage.begin);
            found.orders.push_back(std::move(stage.order));
        }
        return found;
    }

  private:
    struct Stage {
        std::vector<double> forward_end, backward_end;
        int weights = 0;
        double begin = 0;
        double clock = 0;
        double memory = 0;
        std::vector<Action> order;
    };

    bool fits(std::size_t stage, double more) const {
        const double limit = problem_.memory_limit[stage];
        return stages_[stage].memory + more <= limit + kRounding * std::max(1.0, limit);
    }

    /// When the stage's next action of either kind has its input: never, where that is not computed yet.
    double input_of_forward(std::size_t stage) const {
        const std::size_t next = stages_[stage].forward_end.size();
        if (next >= static_cast<std::size_t>(problem_.micro_batches)) return kNever;
        if (stage == 0) return 0;
        const std::vector<double>& above = stages_[stage - 1].forward_end;
        return next < above.size() ? above[next] + problem_.communication : kNever;
    }
    double input_of_backward(std::size_t stage) const {
        const std::size_t next = stages_[stage].backward_end.size();
        if (next >= stages_[stage].forward_end.size()) return kNever;
        if (stage + 1 == p_) return 0;
        const std::vector<double>& below = stages_[stage + 1].backward_end;
        return next < below.size() ? below[next] + problem_.communication : kNever;
    }

    Next next_of(std::size_t stage) const {
        const Stage& s = stages_[stage];
        Next best;
        const auto consider = [&](double input, ActionKind kind, double memory) {
            const double start = std::max(s.clock, input);
            if (start < best.start && fits(stage, memory)) best = {start, kind};
        };
        consider(input_of_backward(stage), ActionKind::backward_input, problem_.memory_backward[stage]);
        consider(input_of_forward(stage), ActionKind::forward, problem_.memory_forward[stage]);
        if (s.weights < static_cast<int>(s.backward_end.size()))
            consider(0, ActionKind::backward_weight, problem_.memory_weight[stage]);
        return best;
    }

    void put(std::size_t stage, const Next& next) {
        Stage& s = stages_[stage];
        if (s.order.empty()) s.begin = next.start;
        const int number = static_cast<int>(stage);
        if (next.kind == ActionKind::forward) {
            s.clock = next.start + problem_.forward[stage];
            s.memory += problem_.memory_forward[stage];
            s.order.push_back({next.kind, static_cast<int>(s.forward_end.size()), number});
            s.forward_end.push_back(s.clock);
        } else if (next.kind == ActionKind::backward_input) {
            s.clock = next.start + problem_.backward_input[stage];
            s.memory += problem_.memory_backward[stage];
            s.order.push_back({next.kind, static_cast<int>(s.backward_end.size()), number});
            s.backward_end.push_back(s.clock);
        } else {
            s.clock = next.start + problem_.backward_weight[stage];
            s.memory += problem_.memory_weight[stage];
            s.order.push_back({next.kind, s.weights++, number});
        }
    }

    const ZeroBubbleProblem& problem_;
    std::size_t p_;
    std::vector<Stage> stages_;
};

}  // namespace

std::optional<ZeroBubbleOrder> zero_bubble_greedy(const ZeroBubbleProblem& problem) {
    return Greedy(problem).run();
}

bool below_one_f_one_b(const ZeroBubbleProblem& problem) {
    for (std::size_t stage = 0; stage < problem.memory_limit.size(); ++stage) {
        const int ahead = std::min(problem.devices - static_cast<int>(stage), problem.micro_batches);
        if (problem.memory_limit[stage] < ahead * problem.memory_forward[stage] * (1 - kRounding))
            return true;
    }
    return false;
}

}  // namespace orrery::schedules
