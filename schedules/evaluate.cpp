#include "schedules/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "schedules/activation.hpp"
#include "schedules/replay.hpp"

namespace orrery::schedules {
namespace {

/// First start, last end and what follows from them; without transfers a device's actions start and end in
/// their order.
void summarize(const Schedule& schedule, const OrderSurvey& survey, Evaluation& evaluation) {
    const bool in_order = !survey.any(ActionKind::evict) && !survey.any(ActionKind::load);
    double most_busy = 0;
    for (std::size_t device = 0; device < schedule.orders.size(); ++device) {
        const auto& start = evaluation.start[device];
        const auto& end = evaluation.end[device];
        const double first = start.empty() ? 0
                             : in_order    ? start.front()
                                           : *std::min_element(start.begin(), start.end());
        const double last = end.empty() ? 0
                            : in_order  ? end.back()
                                        : *std::max_element(end.begin(), end.end());
        evaluation.first_start.push_back(first);
        evaluation.last_end.push_back(last);
        evaluation.makespan = std::max(evaluation.makespan, last);
        evaluation.longest_span = std::max(evaluation.longest_span, last - first);
        most_busy = std::max(most_busy, evaluation.busy[device]);
    }
    if (evaluation.makespan > 0) evaluation.bubble_ratio = 1 - most_busy / evaluation.makespan;
    if (evaluation.longest_span > 0) evaluation.bubble_ratio_span = 1 - most_busy / evaluation.longest_span;
    if (most_busy > 0) evaluation.bubble_overhead = evaluation.makespan / most_busy - 1;
}

}  // namespace

ActionTimes action_times(const PipelineShape& shape) {
    const double parts = static_cast<double>(shape.chunks) * shape.slices;
    ActionTimes times;
    times.forward = shape.forward_time / parts;
    times.backward_input = shape.backward_input_time / parts;
    times.backward_weight = shape.backward_weight_time / parts;
    times.communication = shape.communication_time;
    return times;
}

Evaluation evaluate(const Schedule& schedule, const ActionTimes& times) {
    Evaluation evaluation;
    for (const auto& order : schedule.orders) evaluation.actions += order.size();
    const OrderSurvey survey = survey_orders(schedule);
    replay(schedule, times, survey, evaluation);
    summarize(schedule, survey, evaluation);
    measure_activations(schedule, survey, evaluation);
    return evaluation;
}

std::string describe(const Action& action) {
    static constexpr std::array kNames = {"F", "BW", "B", "W", "recompute", "evict", "load"};
    std::string text = fmt::format("{} stage {} micro-batch {}", kNames[static_cast<int>(action.kind)],
                                   action.stage, action.micro_batch);
    if (action.slice > 0) text += fmt::format(" slice {}", action.slice);
    return text;
}

}  // namespace orrery::schedules
