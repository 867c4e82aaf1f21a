// schedules/zb_auto.cpp
//
// ZB-1p, ZB-2p and everything between: the search of zb_auto.hpp with the shape's times and memory limit.
// Without a limit the schedule's own is 2p micro-batches (ZB-2p), where the bubble of equal times vanishes.
// Variant "exact" goes on from the heuristic's order to the optimum (zb_exact.hpp), as far as its budget of
// partial schedules reaches: proven for about p = 3, m = 4; beyond, the best found.
#include "schedules/zb_auto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"
#include "schedules/zb_exact.hpp"
#include "schedules/zb_greedy.hpp"
#include "schedules/zb_integer_program.hpp"

namespace orrery::schedules {
namespace {

constexpr double kRounding = 1e-9;  ///< relative slack when memory is held against the limit

/// The three choices of a pass.
struct Policy {
    bool overrun_first_gradient = true;   ///< warm-up forwards may end after the first gradient arrives
    bool backward_before_forward = true;  ///< hold a forward back when it would delay the next stage's B
    bool fill_tolerated_bubbles = true;  ///< put a W even where waiting would not lengthen the longest bubble
};

/// One pass. Rounds of one forward and one backward per stage; W wherever a stage would wait, or must free
/// memory.
class ListScheduling {
  public:
    ListScheduling(const ZeroBubbleProblem& problem, Policy policy)
        : problem_(problem),
          policy_(policy),
          p_(problem.devices),
          m_(problem.micro_batches),
          stages_(problem.devices),
          forward_end_(problem.devices, std::vector<double>(problem.micro_batches)),
          backward_end_(problem.devices, std::vector<double>(problem.micro_batches)),
          orders_(problem.devices) {}

    /// Empty when the memory limit cannot be kept.
    std::optional<ZeroBubbleOrder> run() {
        if (!warm_up()) return std::nullopt;
        for (int round = 1; round < m_; ++round) {
            const std::vector<bool> wanted = wanted_forwards();
            for (int stage = 0; stage < p_; ++stage)
                if (wanted[stage] && !round_forward(stage)) return std::nullopt;
            for (int stage = p_ - 1; stage >= 0; --stage)
                if (!round_backward(stage)) return std::nullopt;
        }
        double span = 0;
        for (int stage = 0; stage < p_; ++stage) {
            while (stages_[stage].weights < m_) put_weight(stage);
            span = std::max(span, stages_[stage].clock - stages_[stage].first_start);
        }
        return ZeroBubbleOrder{std::move(orders_), span};
    }

  private:
    struct Stage {
        int forwards = 0, backwards = 0, weights = 0;
        double clock = 0;
        double first_start = 0;
        double memory = 0;
        double bubble = 0;  ///< idle time since the first forward
    };

    bool fits(int stage, double more) const {
        const double limit = problem_.memory_limit[stage];
        return stages_[stage].memory + more <= limit + kRounding * std::max(1.0, limit);
    }

    void advance(int stage, double arrival, double length) {
        Stage& s = stages_[stage];
        const double start = std::max(s.clock, arrival);
        if (s.forwards > 0) {
            s.bubble += start - s.clock;
            longest_bubble_ = std::max(longest_bubble_, s.bubble);
        } else {
            s.first_start = start;
        }
        s.clock = start + length;
    }

    double forward_arrival(int stage) const {
        return stage == 0 ? 0 : forward_end_[stage - 1][stages_[stage].forwards] + problem_.communication;
    }
    double gradient_arrival(int stage) const {
        return stage == p_ - 1 ? 0
                               : backward_end_[stage + 1][stages_[stage].backwards] + problem_.communication;
    }

    void put_forward(int stage) {
        advance(stage, forward_arrival(stage), problem_.forward[stage]);
        Stage& s = stages_[stage];
        forward_end_[stage][s.forwards] = s.clock;
        s.memory += problem_.memory_forward[stage];
        orders_[stage].push_back({ActionKind::forward, s.forwards++, stage});
    }
    void put_backward(int stage) {
        advance(stage, gradient_arrival(stage), problem_.backward_input[stage]);
        Stage& s = stages_[stage];
        backward_end_[stage][s.backwards] = s.clock;
        s.memory += problem_.memory_backward[stage];
        orders_[stage].push_back({ActionKind::backward_input, s.backwards++, stage});
    }
    void put_weight(int stage) {
        advance(stage, 0, problem_.backward_weight[stage]);
        Stage& s = stages_[stage];
        s.memory += problem_.memory_weight[stage];
        orders_[stage].push_back({ActionKind::backward_weight, s.weights++, stage});
    }
    bool has_weight(int stage) const { return stages_[stage].weights < stages_[stage].backwards; }

    /// The first forward everywhere, then as many more as fit before the first gradient comes back, then the
    /// first backward everywhere.
    bool warm_up() {
        for (int stage = 0; stage < p_; ++stage) {
            if (!fits(stage, problem_.memory_forward[stage])) return false;
            put_forward(stage);
        }
        std::vector<int> more = extra_forwards();
        for (int stage = 1; stage < p_; ++stage)
            while (more[stage] > 0 && more[stage] >= more[stage - 1] && 1 + more[stage] < m_) --more[stage];
        for (int stage = 0; stage < p_; ++stage)
            for (int i = 0; i < more[stage]; ++i) put_forward(stage);
        for (int stage = p_ - 1; stage >= 0; --stage) put_backward(stage);
        return true;
    }

    std::vector<int> extra_forwards() const {
        std::vector<int> more(p_, 0);
        double gradient = stages_[p_ - 1].clock + problem_.backward_input[p_ - 1];
        for (int stage = p_ - 2; stage >= 0; --stage) {
            const double arrival = gradient + problem_.communication;
            const double length = problem_.forward[stage];
            double memory = problem_.memory_forward[stage];
            double clock = stages_[stage].clock;
            while (1 + more[stage] < m_ && fits(stage, memory)) {
                if (policy_.overrun_first_gradient ? clock + length > arrival : clock >= arrival) break;
                memory += problem_.memory_forward[stage];
                clock += length;
                ++more[stage];
            }
            gradient = std::max(clock, arrival) + problem_.backward_input[stage];
        }
        return more;
    }

    /// Which stages run a forward this round: a stage does only if the next one does.
    std::vector<bool> wanted_forwards() const {
        std::vector<bool> wanted(p_, false);
        for (int stage = 0; stage < p_; ++stage)
            wanted[stage] = stages_[stage].forwards < m_ && !better_wait(stage);
        for (int stage = p_ - 2; stage >= 0; --stage) wanted[stage] = wanted[stage] && wanted[stage + 1];
        return wanted;
    }

    /// True when this stage is well ahead of the next and a forward now would push its next B back for no
    /// gain.
    bool better_wait(int stage) const {
        const Stage& s = stages_[stage];
        if (!policy_.backward_before_forward || stage + 1 >= p_) return false;
        if (s.forwards < stages_[stage + 1].forwards + 2) return false;
        const double next_gradient = stages_[stage + 1].clock + problem_.forward[stage + 1] +
                                     problem_.backward_input[stage + 1] + problem_.communication;
        if (s.clock >= next_gradient) return true;
        double memory = s.memory + problem_.memory_forward[stage];
        double freeing = 0;
        for (int i = s.weights; i < s.backwards && memory > problem_.memory_limit[stage]; ++i) {
            freeing += problem_.backward_weight[stage];
            memory += problem_.memory_weight[stage];
        }
        if (s.clock + problem_.forward[stage] + freeing <= next_gradient) return false;
        return next_gradient - s.clock <= longest_bubble_ - s.bubble;
    }

    bool make_room(int stage, double needed) {
        while (!fits(stage, needed)) {
            if (!has_weight(stage)) return false;
            put_weight(stage);
        }
        return true;
    }

    /// Ws while the stage would wait for `arrival`; a last one that overruns it where the wait would lengthen
    /// the longest bubble, or where the policy says so.
    void fill_wait(int stage, double arrival) {
        const Stage& s = stages_[stage];
        while (has_weight(stage) && s.clock + problem_.backward_weight[stage] <= arrival) put_weight(stage);
        if (!has_weight(stage) || s.clock >= arrival) return;
        const bool tolerated = arrival - s.clock <= longest_bubble_ - s.bubble;
        if (!tolerated || policy_.fill_tolerated_bubbles) put_weight(stage);
    }

    bool round_forward(int stage) {
        if (!make_room(stage, problem_.memory_forward[stage])) return false;
        if (stage > 0) fill_wait(stage, forward_arrival(stage));
        put_forward(stage);
        return true;
    }

    bool round_backward(int stage) {
        if (!make_room(stage, problem_.memory_backward[stage])) return false;
        if (stage + 1 < p_) fill_wait(stage, gradient_arrival(stage));
        if (stage == 0 && stages_[0].forwards == m_)
            while (has_weight(0)) put_weight(0);
        put_backward(stage);
        return true;
    }

    const ZeroBubbleProblem& problem_;
    Policy policy_;
    int p_, m_;
    std::vector<Stage> stages_;
    double longest_bubble_ = 0;
    std::vector<std::vector<double>> forward_end_, backward_end_;
    std::vector<std::vector<Action>> orders_;
};

}  // namespace

ZeroBubbleProblem zero_bubble_problem(const PipelineShape& shape) {
    const auto p = static_cast<std::size_t>(shape.devices);
    const double early = shape.released_at_backward.value_or(0);
    ZeroBubbleProblem problem;
    problem.devices = shape.devices;
    problem.micro_batches = shape.micro_batches;
    problem.forward.assign(p, shape.forward_time);
    problem.backward_input.assign(p, shape.backward_input_time);
    problem.backward_weight.assign(p, shape.backward_weight_time);
    problem.communication = shape.communication_time;
    problem.memory_forward.assign(p, 1);
    problem.memory_backward.assign(p, -early);
    problem.memory_weight.assign(p, early - 1);
    problem.memory_limit.assign(p, shape.memory_limit.value_or(2.0 * shape.devices));
    return problem;
}

double longest_span(const ZeroBubbleProblem& problem, const std::vector<std::vector<Action>>& orders) {
    PipelineShape shape{.devices = problem.devices, .micro_batches = problem.micro_batches};
    Schedule schedule = empty_schedule("zb-auto", shape);
    schedule.orders = orders;
    ActionTimes times;
    times.stage_forward = problem.forward;
    times.stage_backward_input = problem.backward_input;
    times.stage_backward_weight = problem.backward_weight;
    times.communication = problem.communication;
    return evaluate(schedule, times).longest_span;
}

ZeroBubbleOrder zero_bubble_heuristic(const ZeroBubbleProblem& problem) {
    std::optional<ZeroBubbleOrder> best;
    for (const bool overrun : {true, false})
        for (const bool backward_first : {true, false})
            for (const bool fill : {true, false}) {
                auto order = ListScheduling(problem, {overrun, backward_first, fill}).run();
                if (order && (!best || order->longest_span < best->longest_span)) best = std::move(order);
            }
    if (below_one_f_one_b(problem)) {
        auto order = zero_bubble_greedy(problem);
        if (order && (!best || order->longest_span < best->longest_span)) best = std::move(order);
    }
    if (!best)
        throw InputError(
            {}, "memory-limit",
            fmt::format("no zero-bubble order fits into {} micro-batch activations",
                        *std::min_element(problem.memory_limit.begin(), problem.memory_limit.end())));
    return *std::move(best);
}

namespace {

/// Our own search first, which proves small cases; what it leaves open goes to the integer program.
ZeroBubbleOrder exact(const ZeroBubbleProblem& problem, const PipelineShape& shape, bool own_search) {
    constexpr double kSeconds = 60;
    ZeroBubbleOrder best = zero_bubble_heuristic(problem);
    const auto report = [&](const char* by, bool proven) {
        if (shape.progress)
            shape.progress(fmt::format("{}: longest span {:.6g}, {}", by, best.longest_span,
                                       proven ? "proven" : "not proven to be the shortest"));
    };
    report("heuristic", false);
    if (own_search) {
        ExactSearch found = zero_bubble_exact(problem, std::move(best), {.seconds = shape.time_limit});
        best = std::move(found.best);
        report("search", found.proven);
        if (found.proven || !have_integer_programs()) return best;
    }
    IntegerProgramResult found =
        zero_bubble_integer_program(problem, std::move(best), shape.time_limit.value_or(kSeconds));
    best = std::move(found.best);
    report("integer program", found.proven);
    return best;
}

}  // namespace

Schedule zb_auto(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("zb-auto", shape);
    require_chunks("zb-auto", shape, 1);
    require_whole_sequences("zb-auto", shape);
    const std::string variant = require_variant("zb-auto", shape, {"heuristic", "exact", "ilp"});
    const ZeroBubbleProblem problem = zero_bubble_problem(shape);
    schedule.orders = variant == "heuristic" ? zero_bubble_heuristic(problem).orders
                                             : exact(problem, shape, variant == "exact").orders;
    return schedule;
}

}  // namespace orrery::schedules
