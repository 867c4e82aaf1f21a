#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "schedules/activation_front.hpp"
#include "schedules/adapipe.hpp"

namespace orrery::schedules {
namespace {

/// The last stages of a pipeline, from one stage on.
struct Tail {
    double forward = 0;    ///< of the first of them (s)
    double backward = 0;   ///< with what is recomputed
    double warm_up = 0;    ///< from its first forward's start to its first backward's
    double ending = 0;     ///< from its last forward's end to its last backward's
    double slowest = 0;    ///< F + B of the slowest stage
    int next_layer = 0;    ///< first layer of the following stage
    std::size_t way = 0;   ///< how the activations of its layers are treated
    std::size_t next = 0;  ///< tail of the following stage

    /// What the stage before waits for: from its own first forward's end to the first gradient, from its last
    /// gradient's start back to its last forward's end.
    [[nodiscard]] double gradient_wait() const { return warm_up + backward; }
    [[nodiscard]] double forward_wait() const { return ending + forward; }
};

/// No stage before it can gain by the other tail.
bool no_worse(const Tail& a, const Tail& b) {
    return a.gradient_wait() <= b.gradient_wait() && a.forward_wait() <= b.forward_wait() &&
           a.slowest <= b.slowest;
}

class PartitionSearch {
  public:
    explicit PartitionSearch(const AdaPipeProblem& problem)
        : problem_(problem),
          p_(problem.stages),
          count_(static_cast<int>(problem.layers.size())),
          started_(std::chrono::steady_clock::now()) {
        before_.push_back(0);
        for (const LayerCost& layer : problem.layers)
            before_.push_back(before_.back() + layer.forward + layer.backward);
    }

    PartitionPlan run() {
        // AdaPipe's own dynamic program keeps one tail for each place: a plan to start from and a bound.
        search(true);
        std::optional<PartitionPlan> best = plan();
        if (!best)
            throw InputError({}, out_of_time_ ? "time-limit" : "memory-limit",
                             out_of_time_
                                 ? "the search for a first plan took longer"
                                 : fmt::format("no partition fits into {:.4g}", problem_.memory_limit));
        report("first plan", best->time);
        bound_ = best->time;
        search(false);
        if (auto better = plan(); better && better->time < best->time) best = std::move(better);
        report(out_of_time_ ? "best so far" : "optimum", best->time);
        return *std::move(best);
    }

  private:
    void report(const char* what, double time) const {
        if (problem_.progress) problem_.progress(fmt::format("{} {:.6g}", what, time));
    }
    bool time_is_up() {
        if (problem_.seconds <= 0) return false;
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started_;
        return out_of_time_ = spent.count() > problem_.seconds;
    }

    void search(bool keep_one) {
        tails_.assign(static_cast<std::size_t>(p_), {});
        for (auto& of_stage : tails_) of_stage.resize(static_cast<std::size_t>(count_));
        for (int first = count_ - 1; first >= 0 && !time_is_up(); --first) {
            ActivationFront front;
            double state = 0;
            double forward = 0;
            double backward = 0;
            for (int next = first + 1; next <= count_; ++next) {
                const LayerCost& layer = problem_.layers[next - 1];
                front.add(layer, false, false);
                state += layer.state_bytes;
                forward += layer.forward;
                backward += layer.backward;
                for (int stage = 0; stage < p_; ++stage) {
                    if (stage > first || p_ - stage - 1 > count_ - next) continue;  // a layer a stage
                    if ((stage == 0) != (first == 0) || (stage == p_ - 1) != (next == count_)) continue;
                    const auto way = fitting_way(front, state, p_ - stage);
                    if (way) extend(stage, first, next, forward, backward, front, *way, keep_one);
                }
            }
        }
    }

    /// The way with the least extra time that fits with so many micro-batches in flight.
    std::optional<std::size_t> fitting_way(const ActivationFront& front, double state, int in_flight) const {
        const auto& ways = front.ways();
        const double room = problem_.memory_limit * (1 + 1e-12) - state;
        const auto over = std::partition_point(
            ways.begin(), ways.end(), [&](const ActivationWay& way) { return in_flight * way.kept <= room; });
        if (over == ways.begin()) return std::nullopt;
        return static_cast<std::size_t>(over - ways.begin()) - 1;
    }

    void extend(int stage, int first, int next, double forward, double backward, const ActivationFront& front,
                std::size_t way, bool keep_one) {
        Tail tail;
        tail.forward = forward;
        tail.backward = backward + front.ways()[way].extra;
        tail.next_layer = next;
        tail.way = way;
        const int ahead = p_ - stage - 1;
        const auto behind = [&](double gradient_wait, double forward_wait, double slowest) {
            tail.warm_up = tail.forward + std::max(gradient_wait, ahead * tail.forward);
            tail.ending = tail.backward + std::max(forward_wait, ahead * tail.backward);
            tail.slowest = std::max(slowest, tail.forward + tail.backward);
            keep(stage, first, tail, keep_one);
        };
        if (stage == p_ - 1) return behind(0, 0, 0);
        const auto& after = tails_[stage + 1][next];
        const double both_ways = 2 * problem_.communication;
        for (tail.next = 0; tail.next < after.size(); ++tail.next)
            behind(after[tail.next].gradient_wait() + both_ways, after[tail.next].forward_wait() + both_ways,
                   after[tail.next].slowest);
    }

    double steady_time(double slowest) const { return (problem_.micro_batches - p_) * slowest; }

    /// Less than this no batch takes that ends in this tail: each layer before it runs forward and backward
    /// at least once within warm-up and ending, and the slowest stage before it is not shorter than the mean.
    double least_time(int stage, int first, const Tail& tail) const {
        if (stage == 0) return tail.warm_up + tail.ending + steady_time(tail.slowest);
        return before_[first] + tail.gradient_wait() + tail.forward_wait() +
               steady_time(std::max(tail.slowest, before_[first] / stage));
    }

    void keep(int stage, int first, const Tail& tail, bool keep_one) {
        const double least = least_time(stage, first, tail);
        if (least >= bound_) return;
        auto& rivals = tails_[stage][first];
        if (keep_one || stage == 0) {
            if (rivals.empty())
                rivals.push_back(tail);
            else if (least < least_time(stage, first, rivals.front()))
                rivals.front() = tail;
            return;
        }
        for (const Tail& rival : rivals)
            if (no_worse(rival, tail)) return;
        std::erase_if(rivals, [&](const Tail& rival) { return no_worse(tail, rival); });
        rivals.push_back(tail);
    }

    std::optional<PartitionPlan> plan() const {
        if (tails_[0][0].empty()) return std::nullopt;
        PartitionPlan plan;
        int first = 0;
        std::size_t index = 0;
        for (int stage = 0; stage < p_; ++stage) {
            const Tail& tail = tails_[stage][first][index];
            plan.stages.push_back(stage_plan(stage, first, tail));
            first = tail.next_layer;
            index = tail.next;
        }
        plan.time = pipeline_time(plan.stages, problem_.micro_batches, problem_.communication);
        return plan;
    }

    StagePlan stage_plan(int stage, int first, const Tail& tail) const {
        StagePlan plan{first, tail.next_layer, {}, tail.forward, tail.backward, 0};
        ActivationFront front;
        for (int layer = first; layer < tail.next_layer; ++layer) {
            front.add(problem_.layers[layer], false, false);
            plan.peak_bytes += problem_.layers[layer].state_bytes;
        }
        plan.choice = front.choices(tail.way);
        plan.peak_bytes += (p_ - stage) * front.ways()[tail.way].kept;
        return plan;
    }

    const AdaPipeProblem& problem_;
    int p_, count_;
    std::chrono::steady_clock::time_point started_;
    bool out_of_time_ = false;
    std::vector<double> before_;  ///< F + B of all layers before one, everything kept
    double bound_ = std::numeric_limits<double>::infinity();
    std::vector<std::vector<std::vector<Tail>>> tails_;  ///< [stage][first layer]
};

}  // namespace

PartitionPlan adapipe_search(const AdaPipeProblem& problem) {
    if (problem.stages < 1 || static_cast<std::size_t>(problem.stages) > problem.layers.size())
        throw InputError({}, "stages",
                         fmt::format("expected 1 to {}, a layer a stage at least, not {}",
                                     problem.layers.size(), problem.stages));
    if (problem.micro_batches < problem.stages)
        throw InputError({}, "microbatches",
                         fmt::format("adapipe fills its pipeline: expected {} or more, not {}",
                                     problem.stages, problem.micro_batches));
    return PartitionSearch(problem).run();
}

}  // namespace orrery::schedules
