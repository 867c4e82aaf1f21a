#include "study/sweep/study_report.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "study/read_experiment.hpp"
#include "study/simulate.hpp"
#include "study/sweep/sweep.hpp"

namespace orrery::study {
namespace {

using report::Better;
using report::StudyColumn;

constexpr std::size_t kMostBoxesOfAllCharts = 60'000;

/// Of the figures that have a good direction by themselves; an objective says its own.
Better better_of(const std::string& figure) {
    for (const char* more : {"tokens_per_s", "tokens_per_s_per_gpu", "model_tflops_per_gpu", "mfu", "hfu",
                             "goodput.expected", "goodput.simulated", "goodput.useful_tokens_per_s"}) {
        if (figure == more) return Better::more;
    }
    for (const char* neither : {"memory.capacity_bytes", "goodput.mtbf_s", "goodput.interval_s"}) {
        if (figure == neither) return Better::neither;
    }
    const Columns& metrics = metric_columns();
    const bool own = std::find(metrics.begin(), metrics.end(), figure) != metrics.end();
    return own ? Better::less : Better::neither;
}

/// A column that may be shown, and what gives its cells.
struct Candidate {
    StudyColumn column;
    std::string expression;
    bool always = false;  ///< also where it has one value only
};

class Candidates {
  public:
    /// A column named twice is kept once.
    void add(const std::string& name, bool setting, Better better, const std::string& expression,
             bool always) {
        const bool there = std::any_of(list_.begin(), list_.end(),
                                       [&](const Candidate& c) { return c.column.name == name; });
        if (there) return;
        Candidate& added = list_.emplace_back();
        added.column.name = name;
        added.column.setting = setting;
        added.column.better = better;
        added.expression = expression;
        added.always = always;
    }
    [[nodiscard]] const std::vector<Candidate>& list() const { return list_; }

  private:
    std::vector<Candidate> list_;
};

/// The column that an objective is, by its name or the last part of it; or its own text.
std::string column_of(const Study& study, const std::string& objective) {
    for (const Columns* columns : {&study.settings, &study.figures}) {
        const std::vector<std::string> names = report::short_names(*columns);
        for (std::size_t i = 0; i < names.size(); ++i) {
            if ((*columns)[i] == objective || names[i] == objective) return (*columns)[i];
        }
    }
    return objective;
}

std::vector<Candidate> candidates_of(const Study& study) {
    Candidates all;
    // "memory.fits" is what the status says.
    const auto figure = [&](const std::string& name, bool always) {
        if (name != "memory.fits") all.add(name, false, better_of(name), expression_of(name), always);
    };
    const std::vector<std::string> varied = study.space.keys();
    for (const std::string& key : varied) {
        if (std::find(study.settings.begin(), study.settings.end(), key) != study.settings.end())
            all.add(key, true, Better::neither, expression_of(key), false);
    }
    for (const std::string& name : study.settings)
        all.add(name, true, Better::neither, expression_of(name), false);
    for (const Objective& objective : study.objectives) {
        const std::string name = column_of(study, objective.of.text);
        const bool known = name != objective.of.text ||
                           std::find(study.figures.begin(), study.figures.end(), name) != study.figures.end();
        all.add(name, false, objective.minimize ? Better::less : Better::more,
                known ? expression_of(name) : objective.of.text, true);
    }
    for (const auto& [name, expression] : study.define) figure(name, true);
    for (const char* name :
         {"step_time_s", "tokens_per_s_per_gpu", "mfu", "bubble_ratio", "memory.peak_bytes"})
        figure(name, true);
    for (const std::string& name : study.figures) figure(name, false);
    return all.list();
}

/// All rows of both stati, in the order of their ids within each.
struct Rows {
    std::vector<Store::Found> found;
    std::size_t fitting = 0;  ///< the first so many have status ok
};

Rows rows_of(Store& store, const std::vector<Candidate>& candidates) {
    std::vector<Expression> expressions;
    for (const Candidate& candidate : candidates) expressions.push_back({candidate.expression, {}, "column"});
    Rows rows{store.find(PointStatus::ok, expressions), 0};
    rows.fitting = rows.found.size();
    for (Store::Found& found : store.find(PointStatus::too_large, expressions))
        rows.found.push_back(std::move(found));
    return rows;
}

bool has_several_values(const std::vector<Store::Found>& rows, std::size_t column) {
    return std::any_of(rows.begin(), rows.end(), [&](const Store::Found& row) {
        return row.values[column] != rows.front().values[column];
    });
}

/// Indices of `rows` in the order of the page: as ranked, then the others.
std::vector<std::size_t> order_of(const Rows& rows, const std::vector<Ranked>& ranked) {
    std::unordered_map<std::uint64_t, std::size_t> at;
    for (std::size_t i = 0; i < rows.found.size(); ++i) at.emplace(rows.found[i].id, i);
    std::vector<std::size_t> order;
    std::vector<bool> taken(rows.found.size(), false);
    for (const Ranked& one : ranked) {
        order.push_back(at.at(one.point));
        taken[order.back()] = true;
    }
    for (std::size_t i = 0; i < taken.size(); ++i) {
        if (!taken[i]) order.push_back(i);
    }
    return order;
}

/// The points whose charts are drawn: the best, or spread over the whole front.
std::vector<std::uint64_t> charted(const std::vector<Ranked>& ranked, bool front, std::size_t most) {
    std::vector<std::uint64_t> points;
    const std::size_t count = std::min(most, ranked.size());
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = front && count > 1 ? i * (ranked.size() - 1) / (count - 1) : i;
        points.push_back(ranked[at].point);
    }
    return points;
}

std::size_t index_of(const std::vector<StudyColumn>& columns, const std::string& name) {
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const StudyColumn& column) { return column.name == name; });
    return static_cast<std::size_t>(at - columns.begin()) % columns.size();
}

void choose_axes(report::StudyReport& page, const Study& study) {
    const std::string x = column_of(study, study.objectives.front().of.text);
    std::string y = x == "memory.peak_bytes" ? "step_time_s" : "memory.peak_bytes";
    if (study.objectives.size() > 1) y = column_of(study, study.objectives[1].of.text);
    page.x = index_of(page.columns, x);
    page.y = index_of(page.columns, y);
}

report::Gantt chart_of(const Study& study, std::uint64_t point, std::size_t most_boxes) {
    const Experiment experiment = read_experiment(document_of(study, point), {});
    const Simulation simulation = simulate(experiment);
    return report::make_gantt(simulation.lowered.program, simulation.timeline, most_boxes);
}

}  // namespace

report::StudyReport report_study(const Study& study, Store& store, report::StudySummary summary,
                                 const StudyReportOptions& options) {
    report::StudyReport page;
    page.rerun = options.rerun;
    const bool several = study.objectives.size() > 1;
    const std::vector<Ranked> ranked = rank(study, store);
    const std::vector<Candidate> candidates = candidates_of(study);
    const Rows rows = rows_of(store, candidates);
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!candidates[i].always && !has_several_values(rows.found, i)) continue;
        shown.push_back(i);
        page.columns.push_back(candidates[i].column);
    }
    for (const std::size_t row : order_of(rows, ranked)) {
        if (page.points.size() == report::kMostStudyPoints) break;
        const std::size_t place = page.points.size();
        report::StudyPoint point{
            rows.found[row].id, row < rows.fitting, place < ranked.size() && (several || place == 0), {}};
        for (const std::size_t column : shown) point.cells.push_back(rows.found[row].values[column]);
        page.points.push_back(std::move(point));
    }
    page.left_out = rows.found.size() - page.points.size();
    choose_axes(page, study);
    const std::vector<std::uint64_t> points = charted(ranked, several, options.charts);
    for (const std::uint64_t point : points)
        page.charts.emplace_back(point, chart_of(study, point, kMostBoxesOfAllCharts / points.size()));
    page.summary = std::move(summary);
    return page;
}

}  // namespace orrery::study
