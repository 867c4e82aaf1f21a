#include "report/execution.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace orrery::report {

double ComparedFigure::error() const {
    if (measured == 0) return predicted == 0 ? 0 : 1;
    return predicted / measured - 1;
}

double ComparedFigure::spread() const {
    return measured == 0 ? 0 : (most - least) / measured;
}

ComparedFigure figure_of(double predicted, std::vector<double> measured) {
    ComparedFigure figure;
    figure.predicted = predicted;
    if (measured.empty()) return figure;
    std::sort(measured.begin(), measured.end());
    const std::size_t middle = measured.size() / 2;
    figure.measured =
        measured.size() % 2 == 1 ? measured[middle] : (measured[middle - 1] + measured[middle]) / 2;
    figure.least = measured.front();
    figure.most = measured.back();
    return figure;
}

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const ComparedFigure& figure) {
    return {{"predicted", figure.predicted},
            {"measured", figure.measured},
            {"least", figure.least},
            {"most", figure.most},
            {"error", figure.error()}};
}

Json json_of(const std::vector<ComparedGroup>& groups) {
    Json all = Json::array();
    for (const ComparedGroup& group : groups)
        all.push_back({{"name", group.name}, {"tasks", group.tasks}, {"seconds", json_of(group.seconds)}});
    return all;
}

}  // namespace

Json to_json(const ExecutionComparison& c) {
    Json json{{"experiment", c.experiment},
              {"executor", c.executor},
              {"machine", c.machine},
              {"compute", c.compute},
              {"communication", c.communication},
              {"costs", c.costs},
              {"ranks", c.ranks},
              {"tasks", c.tasks},
              {"repetitions", c.repetitions},
              {"step_time_s", json_of(c.step_time_s)},
              {"bubble_ratio", json_of(c.bubble_ratio)},
              {"bubble_ratio_span", json_of(c.bubble_ratio_span)},
              {"peak_bytes", json_of(c.peak_bytes)},
              {"by_kind", json_of(c.by_kind)},
              {"by_phase", json_of(c.by_phase)},
              {"by_rank", Json::array()}};
    for (const ComparedRank& rank : c.by_rank) {
        json["by_rank"].push_back({{"rank", rank.rank},
                                   {"device", rank.device},
                                   {"stage", rank.stage},
                                   {"compute_s", json_of(rank.compute_s)},
                                   {"end_s", json_of(rank.end_s)},
                                   {"peak_bytes", json_of(rank.peak_bytes)}});
    }
    json["in_simulated_order"] = !c.mismatch.has_value();
    if (c.mismatch) json["out_of_order"] = {{"first", c.mismatch->first}, {"second", c.mismatch->second}};
    if (c.parting) {
        const Parting& p = *c.parting;
        json["first_apart"] = {{"task", p.task},
                               {"predicted_start_s", p.predicted_start_s},
                               {"predicted_end_s", p.predicted_end_s},
                               {"measured_start_s", p.measured_start_s},
                               {"measured_end_s", p.measured_end_s},
                               {"slack_s", p.slack_s}};
    }
    json["noticed_late_s"] = c.noticed_late_s;
    return json;
}

}  // namespace orrery::report
