#include <fmt/format.h>

#include <algorithm>

#include "report/html/pages.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

Cell number(const std::string& text, double value) {
    return {text, fmt::format("{:.9g}", value), ""};
}

std::vector<Tile> headline(const Validation& validation) {
    const ErrorSummary all = summarize(validation.rows);
    return {{"mean absolute error", percent(all.mean_abs), "of the step time, over all compared runs"},
            {"median absolute error", percent(all.median_abs), "half of the runs are predicted better"},
            {"worst", percent(all.max_abs), all.worst_id},
            {"mean signed error", signed_percent(all.mean_signed), "positive: predicted too slow"},
            {"runs compared", grouped(static_cast<std::int64_t>(all.rows)),
             fmt::format("{} skipped, with reasons below", validation.skipped.size())}};
}

std::string sources_html(const Validation& validation) {
    std::vector<std::vector<Cell>> rows;
    for (const std::string& source : validation.sources()) {
        const ErrorSummary summary = summarize(validation.rows_of(source));
        const auto skipped = std::count_if(validation.skipped.begin(), validation.skipped.end(),
                                           [&](const SkippedRun& run) { return run.source == source; });
        std::vector<Cell> row{{source, "", ""},
                              number(std::to_string(summary.rows), static_cast<double>(summary.rows)),
                              number(std::to_string(skipped), static_cast<double>(skipped))};
        if (summary.rows == 0) {
            for (int i = 0; i < 4; ++i) row.push_back({"-", "-1", ""});
        } else {
            row.push_back(number(percent(summary.mean_abs), summary.mean_abs));
            row.push_back(number(percent(summary.median_abs), summary.median_abs));
            row.push_back(number(percent(summary.max_abs), summary.max_abs));
            row.push_back(number(signed_percent(summary.mean_signed), summary.mean_signed));
        }
        row.push_back({summary.worst_id, "", ""});
        rows.push_back(std::move(row));
    }
    return table_html({"source", "rows", "skipped", "mean", "median", "worst", "signed", "worst row"},
                      {false, true, true, true, true, true, true, false}, rows, true);
}

std::string rows_html(const Validation& validation) {
    std::vector<std::vector<Cell>> rows;
    for (const ValidatedRun& run : validation.rows) {
        rows.push_back({{run.id, "", ""},
                        {run.source, "", ""},
                        {run.model, "", ""},
                        number(run.gpus > 0 ? grouped(run.gpus) : "", static_cast<double>(run.gpus)),
                        number(duration(run.predicted_step_time_s), run.predicted_step_time_s),
                        number(duration(run.measured_step_time_s), run.measured_step_time_s),
                        number(signed_percent(run.error()), run.error())});
    }
    return table_html({"run", "source", "model", "GPUs", "predicted", "measured", "error"},
                      {false, false, false, true, true, true, true}, rows, true);
}

ScatterChart scatter(const Validation& validation) {
    ScatterChart chart{"measured step time", "predicted step time", {}, {}};
    for (const ValidatedRun& run : validation.rows) {
        if (!(run.predicted_step_time_s > 0) || !(run.measured_step_time_s > 0)) continue;
        auto place = std::find(chart.series.begin(), chart.series.end(), run.source);
        if (place == chart.series.end()) place = chart.series.insert(place, run.source);
        const std::string label = run.model.empty() ? run.id : run.id + ", " + run.model;
        chart.points.push_back({run.measured_step_time_s, run.predicted_step_time_s,
                                static_cast<std::size_t>(place - chart.series.begin()), label});
    }
    return chart;
}

}  // namespace

std::string validation_page(const Validation& validation, Drawing drawing) {
    Page page("Validation on recorded runs", "error = (predicted - measured) / measured step time", drawing);
    page.html(tiles_html(headline(validation)));
    if (!validation.rows.empty()) {
        page.heading("Predicted against measured");
        page.figure("scatter",
                    "Each point is a run. On the diagonal the prediction is exact; between the dashed lines "
                    "it is within 10%.",
                    scatter(validation));
        std::vector<double> errors;
        for (const ValidatedRun& run : validation.rows) errors.push_back(run.error());
        page.heading("Errors");
        page.figure("errors", "How many runs have which error.", histogram("error of the step time", errors));
    }
    page.heading("By source");
    page.html(sources_html(validation));
    page.heading("Every run");
    page.html(rows_html(validation));
    if (!validation.skipped.empty()) {
        page.heading("Skipped");
        std::vector<std::vector<Cell>> rows;
        for (const auto& [reason, count] : validation.skipped_by_reason()) {
            rows.push_back({number(std::to_string(count), static_cast<double>(count)), {reason, "", ""}});
        }
        page.html(table_html({"runs", "reason"}, {true, false}, rows));
    }
    page.data("validation", to_json(validation));
    return page.str();
}

}  // namespace orrery::report
