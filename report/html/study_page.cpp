#include <fmt/format.h>

#include <algorithm>

#include "report/html/pages.hpp"
#include "report/html/study_picture.hpp"
#include "report/html/svg.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr std::size_t kMostPlainRows = 1000;  ///< of a page without the script

std::uint64_t points_with(const StudySummary& summary, const std::string& status) {
    std::uint64_t points = 0;
    for (const StudyCount& count : summary.counts) points += count.status == status ? count.points : 0;
    return points;
}

std::string count_text(std::uint64_t points) {
    return grouped(static_cast<std::int64_t>(points));
}

std::string status_words(const std::string& status) {
    return status == "too_large" ? "does not fit" : status;
}

std::string goal_text(const StudySummary& summary) {
    std::string text;
    for (const StudyObjective& objective : summary.objectives) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", objective.minimize ? "minimize" : "maximize",
                            objective.expression);
    }
    return text;
}

/// The best value of each objective, over the points that fit.
std::vector<Tile> tiles_of(const StudyReport& study) {
    const StudySummary& summary = study.summary;
    std::vector<Tile> tiles{
        {"points", count_text(summary.points),
         fmt::format("{} fit, {} do not, {} excluded, {} illegal, {} failed, {} pruned",
                     count_text(points_with(summary, "ok")), count_text(points_with(summary, "too_large")),
                     count_text(points_with(summary, "excluded")),
                     count_text(points_with(summary, "illegal")), count_text(points_with(summary, "failed")),
                     count_text(points_with(summary, "pruned")))}};
    if (summary.front)
        tiles.push_back({"Pareto front", count_text(summary.ranked), "points; " + goal_text(summary)});
    for (std::size_t i = 0; i < study.columns.size() && !study.points.empty(); ++i) {
        const StudyColumn& column = study.columns[i];
        const bool headline = column.name == "step_time_s" || column.name == "memory.peak_bytes" ||
                              column.name == "mfu" || column.name == "tokens_per_s_per_gpu";
        const StudyPoint& best = study.points.front();
        if (headline && best.fits)
            tiles.push_back(
                {column.name, cell_text(column.name, best.cells[i]),
                 fmt::format("of point {}, {}", best.id,
                             summary.front ? "the front's first" : "the best: " + goal_text(summary))});
    }
    return tiles;
}

void counts_section(Page& page, const StudySummary& summary) {
    page.heading("What became of the points");
    std::vector<std::vector<Cell>> rows;
    for (const StudyCount& count : summary.counts) {
        rows.push_back({{status_words(count.status), "", ""},
                        {count_text(count.points), std::to_string(count.points), ""},
                        {count.reason, "", ""}});
    }
    page.html(table_html({"", "points", "reason"}, {false, true, false}, rows));
}

bool is_numeric(const StudyReport& study, std::size_t column) {
    return std::none_of(study.points.begin(), study.points.end(), [&](const StudyPoint& point) {
        return std::holds_alternative<std::string>(point.cells[column]);
    });
}

std::vector<std::string> column_names(const StudyReport& study) {
    std::vector<std::string> names;
    for (const StudyColumn& column : study.columns) names.push_back(column.name);
    return names;
}

Json json_of(const StudyCell& cell) {
    return std::visit(
        [](const auto& value) -> Json {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
                return nullptr;
            } else {
                return value;
            }
        },
        cell);
}

/// By column, which is a third of the size of one object a point.
Json data_of(const StudyReport& study) {
    static constexpr const char* kUnits[] = {"", "s", "B", "%"};
    static constexpr const char* kBetter[] = {"", "less", "more"};
    const std::vector<std::string> labels = short_names(column_names(study));
    Json columns = Json::array();
    for (std::size_t i = 0; i < study.columns.size(); ++i) {
        const StudyColumn& column = study.columns[i];
        Json values = Json::array();
        for (const StudyPoint& point : study.points) values.push_back(json_of(point.cells[i]));
        columns.push_back({{"name", column.name},
                           {"label", labels[i]},
                           {"setting", column.setting},
                           {"unit", kUnits[static_cast<int>(unit_of(column.name))]},
                           {"better", kBetter[static_cast<int>(column.better)]},
                           {"numeric", is_numeric(study, i)},
                           {"values", std::move(values)}});
    }
    Json ids = Json::array();
    Json fits = Json::array();
    Json front = Json::array();
    for (const StudyPoint& point : study.points) {
        ids.push_back(point.id);
        fits.push_back(point.fits ? 1 : 0);
        front.push_back(point.on_front ? 1 : 0);
    }
    Json charts = Json::object();
    for (const auto& [id, gantt] : study.charts) charts[std::to_string(id)] = chart_json(gantt);
    return {{"name", study.summary.name},
            {"rerun", study.rerun},
            {"x", study.x},
            {"y", study.y},
            {"columns", std::move(columns)},
            {"ids", std::move(ids)},
            {"fits", std::move(fits)},
            {"front", std::move(front)},
            {"gantts", std::move(charts)}};
}

void plain_points(Page& page, const StudyReport& study) {
    page.html(
        "<figure><figcaption>" +
        escaped(
            "Each simulated point; the line joins those that no other beats in both. Grey: does not fit.") +
        "</figcaption>" + study_picture(study) + "</figure>");
    std::vector<std::string> titles{"point", "status"};
    std::vector<bool> numeric{true, false};
    for (const std::string& name : short_names(column_names(study))) {
        titles.push_back(name);
        numeric.push_back(is_numeric(study, numeric.size() - 2));
    }
    std::vector<std::vector<Cell>> rows;
    for (const StudyPoint& point : study.points) {
        if (rows.size() == kMostPlainRows) break;
        std::vector<Cell> row{{std::to_string(point.id), "", point.on_front ? "best" : ""},
                              {point.fits ? "ok" : "does not fit", "", point.fits ? "" : "bad"}};
        for (std::size_t i = 0; i < point.cells.size(); ++i)
            row.push_back({cell_text(study.columns[i].name, point.cells[i]), "", ""});
        rows.push_back(std::move(row));
    }
    page.html(table_html(titles, numeric, rows));
    if (study.points.size() > rows.size())
        page.html(fmt::format("<p>The first {} of {} points; points.csv has all.</p>\n", rows.size(),
                              study.points.size()));
    page.html("<p>One of them again, with its Gantt chart: <code>" + escaped(study.rerun) +
              " NUMBER --out DIR</code></p>\n");
}

void best_section(Page& page, const StudyReport& study) {
    const StudySummary& summary = study.summary;
    page.heading(summary.front ? "The Pareto front" : "The best points");
    std::vector<std::string> titles{"point"};
    std::vector<bool> numeric{true};
    for (const std::string& name : short_names(summary.columns)) titles.push_back(name);
    for (std::size_t i = 0; i < summary.columns.size(); ++i) {
        numeric.push_back(std::none_of(summary.best.begin(), summary.best.end(), [i](const auto& row) {
            return std::holds_alternative<std::string>(row[i]);
        }));
    }
    std::vector<std::vector<Cell>> rows;
    for (std::size_t i = 0; i < summary.best.size(); ++i) {
        std::vector<Cell> row{{std::to_string(summary.best_points[i]), "", ""}};
        for (std::size_t c = 0; c < summary.columns.size(); ++c)
            row.push_back({cell_text(summary.columns[c], summary.best[i][c]), "", ""});
        rows.push_back(std::move(row));
    }
    page.html(fmt::format("<p>{}; {} of {} shown.</p>\n", escaped(goal_text(summary)), summary.best.size(),
                          summary.ranked));
    page.html(table_html(titles, numeric, rows));
}

}  // namespace

std::string study_page(const StudyReport& study, Drawing drawing) {
    const StudySummary& summary = study.summary;
    Page page(summary.name, summary.description, drawing);
    page.html(tiles_html(tiles_of(study)));
    if (!summary.best.empty()) best_section(page, study);
    if (!study.points.empty()) {
        page.heading("Every simulated point");
        if (study.left_out > 0)
            page.html(fmt::format("<p>Without {} further points: points.csv has all.</p>\n",
                                  count_text(study.left_out)));
        if (has_web_bundle() && drawing == Drawing::in_browser) {
            page.data("study", data_of(study));
            page.html(
                "<div data-study><noscript>The table and pictures of all points need JavaScript; "
                "points.csv holds the same numbers.</noscript></div>\n");
        } else {
            plain_points(page, study);
        }
    }
    counts_section(page, summary);
    return page.str();
}

}  // namespace orrery::report
