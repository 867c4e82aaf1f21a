#include "report/html/svg_charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/html/axis.hpp"
#include "report/html/svg.hpp"
#include "report/text_width.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::string with_unit(double value, Unit unit) {
    return unit == Unit::seconds ? duration(value) : bytes(value);
}

struct LegendEntry {
    std::string name;
    std::string colour;
    double x = 0;
    double y = 0;
};

/// Places the entries in lines from `left` on.
std::vector<LegendEntry> legend(const std::vector<Series>& series, double left) {
    std::vector<LegendEntry> entries;
    double x = left;
    double y = 4;
    for (const Series& one : series) {
        const double width = 30 + 6.2 * static_cast<double>(display_width(one.name));
        if (x > left && x + width > kPictureWidth) {
            x = left;
            y += 16;
        }
        entries.push_back({one.name, one.colour, x, y});
        x += width;
    }
    return entries;
}

void draw(Svg& svg, const std::vector<LegendEntry>& entries) {
    for (const LegendEntry& entry : entries) {
        svg.rectangle(entry.x, entry.y, 10, 10, entry.colour);
        svg.text(entry.x + 14, entry.y + 9, entry.name);
    }
}

std::string percent_label(double fraction) {
    const double percents = std::round(fraction * 1000) / 10;
    return percents == 0 ? "0%" : fmt::format("{:+g}%", percents);
}

/// "Llama 3 405B on 16,3…"
std::string shortened(const std::string& text, std::size_t width) {
    return display_width(text) <= width ? text : wrap(text, width - 1).front() + "…";
}

std::string colour_of_series(std::size_t index) {
    return fmt::format("s{}", index % kSeriesColours);
}

}  // namespace

std::string svg_of(const BarChart& chart) {
    constexpr double kRow = 24;
    constexpr std::size_t kLabelColumns = 26;
    std::size_t widest = 0;
    for (const std::string& label : chart.labels) widest = std::max(widest, display_width(label));
    const double left = 20 + 6.5 * static_cast<double>(std::min(widest, kLabelColumns));
    double high = chart.limit.value_or(0);
    std::vector<double> totals(chart.labels.size());
    for (std::size_t i = 0; i < totals.size(); ++i) {
        for (const Series& series : chart.series) totals[i] += series.values[i];
        high = std::max(high, totals[i]);
    }
    const std::vector<LegendEntry> entries = legend(chart.series, left);
    const double top = (entries.empty() ? 4 : entries.back().y + 22) + (chart.limit ? 14 : 0);
    const double bottom = top + kRow * static_cast<double>(totals.size());
    Svg svg(kPictureWidth, bottom + 24, "stacked bars");
    draw(svg, entries);
    const Axis axis(0, high * 1.02, left, kPictureWidth - 90);
    for (const double tick : linear_ticks(high, 8, chart.unit == Unit::bytes)) {
        svg.line(axis(tick), top, axis(tick), bottom, "grid");
        svg.text(axis(tick), bottom + 15, trimmed(with_unit(tick, chart.unit)), Anchor::middle);
    }
    for (std::size_t i = 0; i < totals.size(); ++i) {
        const double y = top + kRow * static_cast<double>(i) + 3;
        svg.text(left - 6, y + 13, shortened(chart.labels[i], kLabelColumns), Anchor::end);
        double sum = 0;
        for (const Series& series : chart.series) {
            const double value = series.values[i];
            if (value > 0) {
                svg.rectangle(
                    axis(sum), y, axis(sum + value) - axis(sum), kRow - 6, series.colour,
                    fmt::format("{}: {} {}", chart.labels[i], series.name, with_unit(value, chart.unit)));
            }
            sum += value;
        }
        svg.text(axis(sum) + 5, y + 13, with_unit(sum, chart.unit));
    }
    if (chart.limit) {
        svg.line(axis(*chart.limit), top - 2, axis(*chart.limit), bottom, "limit");
        svg.text(axis(*chart.limit), top - 6, chart.limit_name + " " + with_unit(*chart.limit, chart.unit),
                 Anchor::end);
    }
    return svg.str();
}

std::string svg_of(const ScatterChart& chart) {
    constexpr double kSize = 560;
    constexpr double kLeft = 80;
    double low = 1;
    double high = 1;
    for (std::size_t i = 0; i < chart.points.size(); ++i) {
        const ScatterPoint& point = chart.points[i];
        low = std::min(i == 0 ? point.x : low, std::min(point.x, point.y));
        high = std::max(i == 0 ? point.x : high, std::max(point.x, point.y));
    }
    low /= 1.3;
    high *= 1.3;
    Svg svg(kPictureWidth, kSize + 50, "predicted against measured step time");
    const Axis x(low, high, kLeft, kLeft + kSize, true);
    const Axis y(low, high, kSize + 10, 10, true);
    for (const double tick : log_ticks(low, high, 9)) {
        svg.line(x(tick), 10, x(tick), kSize + 10, "grid");
        svg.line(kLeft, y(tick), kLeft + kSize, y(tick), "grid");
        svg.text(x(tick), kSize + 26, trimmed(duration(tick)), Anchor::middle);
        svg.text(kLeft - 6, y(tick) + 4, trimmed(duration(tick)), Anchor::end);
    }
    svg.line(x(low), y(low), x(high), y(high), "diagonal");
    svg.line(x(low), y(low * 1.1), x(high / 1.1), y(high), "band");
    svg.line(x(low * 1.1), y(low), x(high), y(high / 1.1), "band");
    for (const ScatterPoint& point : chart.points) {
        svg.circle(
            x(point.x), y(point.y), 4, colour_of_series(point.series),
            fmt::format("{}: predicted {}, measured {}", point.label, duration(point.y), duration(point.x)));
    }
    svg.text(kLeft + kSize / 2, kSize + 44, chart.x_title, Anchor::middle);
    svg.text(kLeft + 8, 26, chart.y_title);
    double top = 16;
    for (std::size_t i = 0; i < chart.series.size() && top < kSize; ++i, top += 16) {
        svg.rectangle(kLeft + kSize + 24, top, 10, 10, colour_of_series(i));
        svg.text(kLeft + kSize + 40, top + 9, shortened(chart.series[i], 60));
    }
    return svg.str();
}

std::string svg_of(const Histogram& chart) {
    constexpr double kHeight = 220;
    constexpr double kLeft = 60;
    Svg svg(kPictureWidth, kHeight + 50, "histogram");
    if (chart.counts.empty()) return svg.str();
    const double most = static_cast<double>(*std::max_element(chart.counts.begin(), chart.counts.end()));
    const Axis x(chart.edges.front(), chart.edges.back(), kLeft, kPictureWidth - 20);
    const Axis y(0, most, kHeight, 10);
    for (const double tick : linear_ticks(most, 5)) {
        if (tick != std::floor(tick)) continue;
        svg.line(kLeft, y(tick), kPictureWidth - 20, y(tick), "grid");
        svg.text(kLeft - 6, y(tick) + 4, fmt::format("{:.0f}", tick), Anchor::end);
    }
    const std::size_t every = chart.edges.size() / 14 + 1;
    for (std::size_t i = 0; i < chart.edges.size(); ++i) {
        if (i % every == 0)
            svg.text(x(chart.edges[i]), kHeight + 16, percent_label(chart.edges[i]), Anchor::middle);
    }
    for (std::size_t i = 0; i < chart.counts.size(); ++i) {
        const double left = x(chart.edges[i]);
        svg.rectangle(left + 0.5, y(static_cast<double>(chart.counts[i])), x(chart.edges[i + 1]) - left - 1,
                      kHeight - y(static_cast<double>(chart.counts[i])), "s0",
                      fmt::format("{} to {}: {}", percent_label(chart.edges[i]), chart.edges[i + 1] * 100,
                                  chart.counts[i]));
    }
    svg.line(x(0), 4, x(0), kHeight, "diagonal");
    svg.text(kPictureWidth / 2, kHeight + 38, chart.x_title, Anchor::middle);
    return svg.str();
}

std::string chart_svg(const Chart& chart) {
    return std::visit([](const auto& kind) { return svg_of(kind); }, chart);
}

}  // namespace orrery::report
