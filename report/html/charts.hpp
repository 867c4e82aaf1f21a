// report/html/charts.hpp
//
// The pictures of a page, as data. Each can be drawn in two ways: by the bundled script in the reader's
// browser (from `chart_json`), or here, as a plain SVG picture, in a build without Node (`chart_svg`).
// Colours are names of the style sheet's variables ("forward", "tp", "s3"), so that both follow light and
// dark.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "report/gantt.hpp"
#include "report/json.hpp"

namespace orrery::report {

enum class Unit { seconds, bytes };

struct Series {
    std::string name;
    std::string colour;
    std::vector<double> values;  ///< one per label of the chart
};

/// Horizontal bars, one per label, stacked by series.
struct BarChart {
    Unit unit = Unit::seconds;
    std::vector<std::string> labels;
    std::vector<Series> series;
    std::optional<double> limit;  ///< a line across the bars
    std::string limit_name;
};

struct ScatterPoint {
    double x = 0;
    double y = 0;
    std::size_t series = 0;
    std::string label;
};

/// Predicted (y) against measured (x) seconds on logarithmic axes, with the diagonal and a band of 10%.
struct ScatterChart {
    std::string x_title;
    std::string y_title;
    std::vector<std::string> series;
    std::vector<ScatterPoint> points;  ///< positive coordinates only
};

/// counts[i] values lie in [edges[i], edges[i+1]); fractions.
struct Histogram {
    std::string x_title;
    std::vector<double> edges;
    std::vector<std::size_t> counts;
};

using Chart = std::variant<Gantt, BarChart, ScatterChart, Histogram>;

Json chart_json(const Chart& chart);
std::string chart_svg(const Chart& chart);

/// Equal bins that cover all values, with an edge at 0; at most `most` of them.
Histogram histogram(const std::string& x_title, const std::vector<double>& values, std::size_t most = 40);

/// The colour's name of a category.
std::string colour_of(Category category);

/// The style sheet has this many colours for unrelated series, "s0" upwards; after them they repeat.
inline constexpr std::size_t kSeriesColours = 10;

}  // namespace orrery::report
