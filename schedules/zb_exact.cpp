#include "schedules/zb_exact.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace orrery::schedules {
namespace {

constexpr double kSlack = 1e-9;  ///< relative: spans closer than this are equal

/// Actions done on every stage: F, B, W of stage 0, of stage 1, ...
using Counts = std::vector<int>;

/// A partial schedule: times only; how it came about is in the arena.
struct Partial {
    std::vector<double> clock;  ///< per stage
    /// Ends of forwards the next stage has not used, then of backwards the stage before has not; stage by
    /// stage. Partial schedules of equal counts have equally many.
    std::vector<std::vector<double>> forward_ends, backward_ends;
    std::size_t step = 0;  ///< index of its last step
};

struct Step {
    std::size_t before = 0;
    int stage = 0;
    ActionKind kind = ActionKind::forward;
};

bool no_later(const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return x <= y; });
}

bool dominates(const Partial& a, const Partial& b) {
    if (!no_later(a.clock, b.clock)) return false;
    for (std::size_t stage = 0; stage < a.clock.size(); ++stage)
        if (!no_later(a.forward_ends[stage], b.forward_ends[stage]) ||
            !no_later(a.backward_ends[stage], b.backward_ends[stage]))
            return false;
    return true;
}

class Search {
  public:
    Search(const ZeroBubbleProblem& problem, ZeroBubbleOrder start, const ExactLimits& limits)
        : problem_(problem), p_(problem.devices), m_(problem.micro_batches), limits_(limits) {
        result_.best = std::move(start);
        double first = 0;
        for (int stage = 0; stage < p_; ++stage) {
            first_start_.push_back(first);
            first += problem.forward[stage] + problem.communication;
        }
    }

    ExactSearch run() {
        std::map<Counts, std::vector<Partial>> level;
        Partial nothing;
        nothing.clock = first_start_;
        nothing.forward_ends.resize(p_);
        nothing.backward_ends.resize(p_);
        steps_.push_back({});
        level[Counts(static_cast<std::size_t>(3 * p_), 0)].push_back(nothing);
        for (int done = 0; done < 3 * p_ * m_; ++done) {
            std::map<Counts, std::vector<Partial>> next;
            for (const auto& [counts, partials] : level)
                for (const Partial& partial : partials)
                    if (!expand(counts, partial, next)) return std::move(result_);
            level = std::move(next);
        }
        for (const auto& [counts, partials] : level)
            for (const Partial& partial : partials) accept(partial);
        result_.proven = true;
        return std::move(result_);
    }

  private:
    bool expand(const Counts& counts, const Partial& partial, std::map<Counts, std::vector<Partial>>& next) {
        for (int stage = 0; stage < p_; ++stage)
            for (const ActionKind kind :
                 {ActionKind::forward, ActionKind::backward_input, ActionKind::backward_weight})
                if (may_run(counts, stage, kind) && !advance(counts, partial, stage, kind, next))
                    return false;
        return true;
    }

    bool time_is_up() const {
        constexpr std::size_t kBetweenLooks = 1024;
        if (!limits_.seconds || result_.partial % kBetweenLooks != 0) return false;
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count() >
               *limits_.seconds;
    }

    static int column(ActionKind kind) {
        return kind == ActionKind::forward ? 0 : kind == ActionKind::backward_input ? 1 : 2;
    }

    bool may_run(const Counts& counts, int stage, ActionKind kind) const {
        const int* own = &counts[std::size_t{3} * stage];
        switch (kind) {
            case ActionKind::forward:
                return own[0] < m_ && (stage == 0 || counts[std::size_t{3} * (stage - 1)] > own[0]) &&
                       fits(own, stage);
            case ActionKind::backward_input:
                return own[1] < own[0] && (stage + 1 == p_ || counts[3 * (stage + 1) + 1] > own[1]);
            default:
                return own[2] < own[1];
        }
    }
    bool fits(const int* own, int stage) const {
        const double used = (own[0] + 1) * problem_.memory_forward[stage] +
                            own[1] * problem_.memory_backward[stage] + own[2] * problem_.memory_weight[stage];
        return used <= problem_.memory_limit[stage] + kSlack * std::max(1.0, problem_.memory_limit[stage]);
    }

    /// Adds the partial schedule with one more action, unless it is hopeless or superfluous. False when the
    /// budget is used up.
    bool advance(const Counts& counts, const Partial& partial, int stage, ActionKind kind,
                 std::map<Counts, std::vector<Partial>>& next) {
        Partial more = partial;
        double start = more.clock[stage];
        if (kind == ActionKind::forward && stage > 0)
            start = std::max(start, take(more.forward_ends[stage - 1]));
        if (kind == ActionKind::backward_input && stage + 1 < p_)
            start = std::max(start, take(more.backward_ends[stage + 1]));
        const double end = start + length(stage, kind);
        more.clock[stage] = end;
        if (kind == ActionKind::forward && stage + 1 < p_) more.forward_ends[stage].push_back(end);
        if (kind == ActionKind::backward_input && stage > 0) more.backward_ends[stage].push_back(end);
        Counts after = counts;
        ++after[3 * stage + column(kind)];
        if (!promising(after, more, stage)) return true;
        std::vector<Partial>& rivals = next[after];
        for (const Partial& rival : rivals)
            if (dominates(rival, more)) return true;
        std::erase_if(rivals, [&](const Partial& rival) { return dominates(more, rival); });
        if (++result_.partial > limits_.partial || time_is_up()) return false;
        more.step = steps_.size();
        steps_.push_back({partial.step, stage, kind});
        rivals.push_back(std::move(more));
        return true;
    }

    double take(std::vector<double>& ends) const {
        const double end = ends.front();
        ends.erase(ends.begin());
        return end + problem_.communication;
    }
    double length(int stage, ActionKind kind) const {
        if (kind == ActionKind::forward) return problem_.forward[stage];
        return kind == ActionKind::backward_input ? problem_.backward_input[stage]
                                                  : problem_.backward_weight[stage];
    }

    /// Could this stage still end within the best span?
    bool promising(const Counts& counts, const Partial& partial, int stage) const {
        const int* own = &counts[std::size_t{3} * stage];
        const double left = (m_ - own[0]) * problem_.forward[stage] +
                            (m_ - own[1]) * problem_.backward_input[stage] +
                            (m_ - own[2]) * problem_.backward_weight[stage];
        return partial.clock[stage] + left - first_start_[stage] < result_.best.longest_span * (1 - kSlack);
    }

    void accept(const Partial& partial) {
        double span = 0;
        for (int stage = 0; stage < p_; ++stage)
            span = std::max(span, partial.clock[stage] - first_start_[stage]);
        if (span >= result_.best.longest_span) return;
        std::vector<Step> path;
        for (std::size_t step = partial.step; step != 0; step = steps_[step].before)
            path.push_back(steps_[step]);
        std::vector<std::vector<Action>> orders(static_cast<std::size_t>(p_));
        std::vector<Counts> done(static_cast<std::size_t>(p_), Counts(3, 0));
        for (auto step = path.rbegin(); step != path.rend(); ++step)
            orders[step->stage].push_back({step->kind, done[step->stage][column(step->kind)]++, step->stage});
        result_.best = {std::move(orders), span};
    }

    const ZeroBubbleProblem& problem_;
    int p_, m_;
    ExactLimits limits_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::vector<double> first_start_;
    std::vector<Step> steps_;  ///< step 0 is the empty schedule
    ExactSearch result_;
};

}  // namespace

ExactSearch zero_bubble_exact(const ZeroBubbleProblem& problem, ZeroBubbleOrder start,
                              const ExactLimits& limits) {
    return Search(problem, std::move(start), limits).run();
}

}  // namespace orrery::schedules
