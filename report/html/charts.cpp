#include "report/html/charts.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::report {
namespace {

/// Times of a Gantt chart are whole ticks: a power of ten, a billionth to a ten-billionth of the makespan.
double tick_of(double makespan_s) {
    return makespan_s > 0 ? std::pow(10.0, std::floor(std::log10(makespan_s)) - 9) : 1e-9;
}

/// Boxes as [gap to the end of the one before, length, class, micro-batch, ...] in ticks: small numbers.
Json boxes_json(const GanttRow& row, double tick_s) {
    Json numbers = Json::array();
    std::int64_t last_end = 0;
    for (const GanttBox& box : row.boxes) {
        const auto start = static_cast<std::int64_t>(std::llround(box.start_s / tick_s));
        const auto end = static_cast<std::int64_t>(std::llround(box.end_s / tick_s));
        numbers.push_back(start - last_end);
        numbers.push_back(end - start);
        numbers.push_back(box.class_index);
        numbers.push_back(box.micro_batch);
        last_end = end;
    }
    return numbers;
}

Json json_of(const Gantt& gantt) {
    const double tick_s = tick_of(gantt.makespan_s);
    Json json{
        {"kind", "gantt"}, {"makespan_s", gantt.makespan_s}, {"axis_s", gantt.axis_s}, {"tick_s", tick_s}};
    json["categories"] = Json::array();
    for (int i = 0; i < static_cast<int>(Category::kCount); ++i) {
        const auto category = static_cast<Category>(i);
        json["categories"].push_back({{"name", to_string(category)}, {"colour", colour_of(category)}});
    }
    json["classes"] = Json::array();
    for (const GanttClass& c : gantt.classes) {
        json["classes"].push_back({{"name", c.name},
                                   {"category", static_cast<int>(c.category)},
                                   {"phase", sim::to_string(c.phase)},
                                   {"chunk", c.chunk},
                                   {"slice", c.slice},
                                   {"layer", c.layer},
                                   {"bytes", c.bytes}});
    }
    json["rows"] = Json::array();
    for (const GanttRow& row : gantt.rows) {
        json["rows"].push_back({{"device", row.device},
                                {"pipeline_device", row.pipeline_device},
                                {"stream", row.stream},
                                {"compute", row.compute},
                                {"boxes", boxes_json(row, tick_s)}});
    }
    return json;
}

Json json_of(const BarChart& chart) {
    Json json{{"kind", "bars"}, {"unit", chart.unit == Unit::seconds ? "s" : "B"}, {"labels", chart.labels}};
    json["series"] = Json::array();
    for (const Series& series : chart.series) {
        json["series"].push_back(
            {{"name", series.name}, {"colour", series.colour}, {"values", series.values}});
    }
    if (chart.limit) json["limit"] = {{"value", *chart.limit}, {"name", chart.limit_name}};
    return json;
}

Json json_of(const ScatterChart& chart) {
    Json json{{"kind", "scatter"},
              {"x_title", chart.x_title},
              {"y_title", chart.y_title},
              {"series", chart.series}};
    json["points"] = Json::array();
    for (const ScatterPoint& point : chart.points) {
        json["points"].push_back(
            {{"x", point.x}, {"y", point.y}, {"series", point.series}, {"label", point.label}});
    }
    return json;
}

Json json_of(const Histogram& chart) {
    return {
        {"kind", "histogram"}, {"x_title", chart.x_title}, {"edges", chart.edges}, {"counts", chart.counts}};
}

}  // namespace

Json chart_json(const Chart& chart) {
    return std::visit([](const auto& kind) { return json_of(kind); }, chart);
}

Histogram histogram(const std::string& x_title, const std::vector<double>& values, std::size_t most) {
    Histogram chart{x_title, {}, {}};
    if (values.empty()) return chart;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double least = std::min(*low, 0.0);
    const double greatest = std::max(*high, 0.0);
    double width = 0.01;  // one percent; then 2, 5, 10, ...
    for (int step = 0;
         (std::floor(greatest / width) - std::floor(least / width) + 1) > static_cast<double>(most); ++step) {
        width *= step % 3 == 1 ? 2.5 : 2;
    }
    const auto first = static_cast<int>(std::floor(least / width));
    const auto last = static_cast<int>(std::floor(greatest / width)) + 1;
    for (int edge = first; edge <= last; ++edge) chart.edges.push_back(edge * width);
    chart.counts.resize(chart.edges.size() - 1);
    for (const double value : values)
        ++chart.counts[static_cast<std::size_t>(static_cast<int>(std::floor(value / width)) - first)];
    return chart;
}

std::string colour_of(Category category) {
    switch (category) {
        case Category::forward:
            return "forward";
        case Category::backward:
            return "backward";
        case Category::backward_input:
            return "backward-input";
        case Category::backward_weight:
            return "backward-weight";
        case Category::recompute:
            return "recompute";
        case Category::optimizer:
            return "optimizer";
        case Category::tp:
            return "tp";
        case Category::pp:
            return "pp";
        case Category::dp:
            return "dp";
        case Category::cp:
            return "cp";
        case Category::ep:
            return "ep";
        case Category::copy:
            return "copy";
        case Category::much_shorter:
            return "much-shorter";
        case Category::shorter:
            return "shorter";
        case Category::as_predicted:
            return "as-predicted";
        case Category::longer:
            return "longer";
        case Category::much_longer:
            return "much-longer";
        case Category::kCount:
            break;
    }
    return "copy";
}

}  // namespace orrery::report
