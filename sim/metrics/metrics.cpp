#include "sim/metrics/metrics.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "sim/metrics/gap.hpp"

namespace orrery::sim {
namespace {

bool in_pipeline_phase(Phase phase) {
    switch (phase) {
        case Phase::forward:
        case Phase::backward:
        case Phase::backward_input:
        case Phase::backward_weight:
        case Phase::recompute:
            return true;
        case Phase::parameter_gather:
        case Phase::gradient_reduce:
        case Phase::optimizer:
        case Phase::transfer:
            return false;
    }
    return false;
}

double& part(Breakdown& breakdown, TimeUse use) {
    switch (use) {
        case TimeUse::compute:
            return breakdown.compute_s;
        case TimeUse::optimizer:
            return breakdown.optimizer_s;
        case TimeUse::tp:
            return breakdown.exposed_comm_s.tp;
        case TimeUse::pp:
            return breakdown.exposed_comm_s.pp;
        case TimeUse::dp:
            return breakdown.exposed_comm_s.dp;
        case TimeUse::cp:
            return breakdown.exposed_comm_s.cp;
        case TimeUse::ep:
            return breakdown.exposed_comm_s.ep;
        case TimeUse::copy:
            return breakdown.exposed_copy_s;
        case TimeUse::bubble:
            return breakdown.bubble_s;
        case TimeUse::host:
            break;
    }
    return breakdown.host_s;
}

struct Window {
    double begin = std::numeric_limits<double>::infinity();
    double end = -std::numeric_limits<double>::infinity();

    void include(double from, double to) {
        begin = std::min(begin, from);
        end = std::max(end, to);
    }
    [[nodiscard]] double length() const { return end > begin ? end - begin : 0; }
};

void add_overlap(Breakdown& breakdown, const Window& window, const Stretch& stretch) {
    const double length = std::min(stretch.end, window.end) - std::max(stretch.begin, window.begin);
    if (length > 0) part(breakdown, stretch.use) += length;
}

void add_weighted(Breakdown& sum, const Breakdown& one, double weight) {
    const TimeUse uses[] = {TimeUse::compute, TimeUse::optimizer, TimeUse::tp, TimeUse::pp,
                            TimeUse::dp,      TimeUse::cp,        TimeUse::ep, TimeUse::copy,
                            TimeUse::bubble,  TimeUse::host};
    Breakdown copy = one;
    for (const TimeUse use : uses) part(sum, use) += weight * part(copy, use);
}

class Measurement {
  public:
    Measurement(const Program& p, const Timeline& t, const WorkCosts& c, std::optional<StepWindow> w)
        : program(p), timeline(t), costs(c), given(w) {}

    Metrics run() {
        find_windows();
        std::vector<PreparedTasks> traced;
        for (const RankProgram& tasks : program.rank_programs) traced.push_back(trace(tasks, program.works));
        for (std::size_t r = 0; r < program.ranks.size(); ++r)
            measure_rank(RankId(r), traced[program.ranks[r].program]);
        metrics.step_time_s = step.length();
        measure_bubbles();
        measure_stages();
        return std::move(metrics);
    }

  private:
    [[nodiscard]] std::span<const double> of_rank(const std::vector<double>& times, RankId rank) const {
        return std::span(times).subspan(program.first_task[rank()],
                                        program.first_task[rank() + 1] - program.first_task[rank()]);
    }

    void find_windows() {
        if (given) {
            step.include(given->begin_s, given->end_s);
            pipeline = step;
            spans.assign(program.ranks.size(), step);
            return;
        }
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const RankProgram& tasks = program.program_of(RankId(r));
            const auto start = of_rank(timeline.start, RankId(r));
            const auto end = of_rank(timeline.end, RankId(r));
            Window own;
            for (std::size_t i = 0; i < tasks.size(); ++i) {
                step.include(start[i], end[i]);
                if (tasks.streams[tasks.stream[i]()].kind == StreamKind::compute &&
                    in_pipeline_phase(tasks.label[i].phase))
                    own.include(start[i], end[i]);
            }
            spans.push_back(own);
            if (own.end >= own.begin) pipeline.include(own.begin, own.end);
        }
    }

    void measure_rank(RankId id, const PreparedTasks& traced) {
        const Rank& rank = program.ranks[id()];
        RankMetrics result;
        result.rank = id;
        result.multiplicity = rank.multiplicity;
        result.pipeline_device = rank.pipeline_device;
        if (spans[id()].end >= spans[id()].begin) {
            result.first_start_s = spans[id()].begin;
            result.last_end_s = spans[id()].end;
        }
        const RankTrace times(traced, costs, of_rank(timeline.start, id), of_rank(timeline.end, id));
        if (step.length() > 0)
            times.cover(step.begin, step.end, [&](const Stretch& stretch) {
                add_overlap(result.step, step, stretch);
                add_overlap(result.pipeline, pipeline, stretch);
                add_overlap(result.span, spans[id()], stretch);
            });
        metrics.gpus += rank.multiplicity;
        metrics.per_rank.push_back(result);
    }

    void measure_bubbles() {
        if (metrics.per_rank.empty()) return;
        const RankMetrics& busiest = *std::max_element(metrics.per_rank.begin(), metrics.per_rank.end(),
                                                       [](const RankMetrics& a, const RankMetrics& b) {
                                                           return a.pipeline.compute_s < b.pipeline.compute_s;
                                                       });
        metrics.busiest = busiest.rank;
        metrics.breakdown = busiest.step;
        const double makespan = pipeline.length();
        if (makespan <= 0 || busiest.pipeline.compute_s <= 0) return;
        metrics.bubble_ratio = busiest.pipeline.bubble_s / makespan;
        metrics.bubble_overhead = makespan / (makespan - busiest.pipeline.bubble_s) - 1;
        double longest = 0;
        for (const Window& span : spans) longest = std::max(longest, span.length());
        // Sums of many parts may miss the whole by a rounding: no bubble is then a hair below zero.
        metrics.bubble_ratio_span =
            std::max(0.0, 1 - (busiest.span.total() - busiest.span.bubble_s) / longest);
    }

    void measure_stages() {
        std::map<std::int32_t, StageMetrics> stages;
        for (const RankMetrics& rank : metrics.per_rank) {
            StageMetrics& stage = stages[rank.pipeline_device];
            stage.pipeline_device = rank.pipeline_device;
            stage.gpus += rank.multiplicity;
            add_weighted(stage.mean, rank.step, rank.multiplicity);
            stage.most_compute_s = std::max(stage.most_compute_s, rank.step.compute_s);
        }
        for (const auto& [device, stage] : stages) {
            StageMetrics& result = metrics.per_stage.emplace_back(stage);
            result.mean = {};
            add_weighted(result.mean, stage.mean, 1.0 / static_cast<double>(stage.gpus));
        }
    }

    const Program& program;
    const Timeline& timeline;
    const WorkCosts& costs;
    std::optional<StepWindow> given;
    Window step;
    Window pipeline;
    std::vector<Window> spans;  ///< [rank] of its pipeline phase
    Metrics metrics;
};

}  // namespace

Metrics measure(const Program& program, const Timeline& timeline, const WorkCosts& costs,
                std::optional<StepWindow> window) {
    return Measurement(program, timeline, costs, window).run();
}

double flops_utilization(double flops, double step_time_s, std::uint64_t gpus, double peak_flops) {
    const double possible = step_time_s * static_cast<double>(gpus) * peak_flops;
    return possible > 0 ? flops / possible : 0;
}

}  // namespace orrery::sim
