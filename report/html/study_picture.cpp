#include "report/html/study_picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "report/html/axis.hpp"
#include "report/html/svg.hpp"
#include "report/html/svg_charts.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr double kLeft = 90;
constexpr double kTop = 12;
constexpr double kBottom = 440;

std::optional<double> number_of(const StudyCell& cell) {
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*whole);
    if (const auto* number = std::get_if<double>(&cell); number != nullptr && std::isfinite(*number))
        return *number;
    return std::nullopt;
}

/// One axis of the picture: from a little below the least value to a little above the greatest.
struct Scale {
    std::string column;
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void include(double value) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    [[nodiscard]] bool logarithmic() const { return low > 0 && high / low > 20; }
    [[nodiscard]] Axis axis(double from, double to) const {
        if (logarithmic()) return {low / 1.15, high * 1.15, from, to, true};
        return {std::min(0.0, low * 1.05), high * 1.05, from, to};
    }
    [[nodiscard]] std::vector<double> ticks() const {
        if (logarithmic()) return log_ticks(low / 1.15, high * 1.15, 9);
        return linear_ticks(high * 1.05, 8, unit_of(column) == StudyUnit::bytes);
    }
    [[nodiscard]] std::string text(double value) const { return trimmed(cell_text(column, value)); }
};

struct Mark {
    std::size_t point = 0;
    double x = 0;
    double y = 0;
};

std::vector<Mark> marks_of(const StudyReport& study, std::size_t x, std::size_t y) {
    std::vector<Mark> marks;
    for (std::size_t i = 0; i < study.points.size(); ++i) {
        const auto at_x = number_of(study.points[i].cells[x]);
        const auto at_y = number_of(study.points[i].cells[y]);
        if (at_x && at_y) marks.push_back({i, *at_x, *at_y});
    }
    return marks;
}

std::string told(const StudyReport& study, const Mark& mark, const Scale& x, const Scale& y) {
    std::string text = fmt::format("point {}", study.points[mark.point].id);
    for (std::size_t i = 0; i < study.columns.size(); ++i) {
        if (!study.columns[i].setting) continue;
        text += fmt::format(", {} {}", study.columns[i].name,
                            cell_text(study.columns[i].name, study.points[mark.point].cells[i]));
    }
    return text + fmt::format(": {}, {}", cell_text(x.column, mark.x), cell_text(y.column, mark.y));
}

void draw_axes(Svg& svg, const Scale& x, const Scale& y) {
    const Axis across = x.axis(kLeft, kPictureWidth - 20);
    const Axis up = y.axis(kBottom, kTop);
    for (const double tick : x.ticks()) {
        svg.line(across(tick), kTop, across(tick), kBottom, "grid");
        svg.text(across(tick), kBottom + 16, x.text(tick), Anchor::middle);
    }
    for (const double tick : y.ticks()) {
        svg.line(kLeft, up(tick), kPictureWidth - 20, up(tick), "grid");
        svg.text(kLeft - 6, up(tick) + 4, y.text(tick), Anchor::end);
    }
    svg.text(kPictureWidth - 20, kBottom + 34, x.column, Anchor::end);
    svg.text(kLeft + 8, kTop + 14, y.column);
}

}  // namespace

std::vector<std::size_t> front_of(const StudyReport& study, std::size_t x, std::size_t y) {
    const Better better_x = study.columns[x].better;
    const Better better_y = study.columns[y].better;
    if (better_x == Better::neither || better_y == Better::neither) return {};
    std::vector<Mark> marks = marks_of(study, x, y);
    std::erase_if(marks, [&](const Mark& mark) { return !study.points[mark.point].fits; });
    const double sign_x = better_x == Better::less ? 1 : -1;
    const double sign_y = better_y == Better::less ? 1 : -1;
    std::stable_sort(marks.begin(), marks.end(), [&](const Mark& a, const Mark& b) {
        return std::pair(sign_x * a.x, sign_y * a.y) < std::pair(sign_x * b.x, sign_y * b.y);
    });
    std::vector<std::size_t> front;
    std::optional<Mark> last;
    for (const Mark& mark : marks) {
        const bool alike = last && last->x == mark.x && last->y == mark.y;
        if (last && !alike && sign_y * mark.y >= sign_y * last->y) continue;
        front.push_back(mark.point);
        last = mark;
    }
    if (better_x == Better::more) std::reverse(front.begin(), front.end());
    return front;
}

std::string study_picture(const StudyReport& study) {
    const std::vector<Mark> marks = marks_of(study, study.x, study.y);
    if (marks.empty()) return "";
    Scale x{study.columns[study.x].name};
    Scale y{study.columns[study.y].name};
    for (const Mark& mark : marks) {
        x.include(mark.x);
        y.include(mark.y);
    }
    Svg svg(kPictureWidth, kBottom + 44, fmt::format("{} against {}", y.column, x.column));
    draw_axes(svg, x, y);
    const Axis across = x.axis(kLeft, kPictureWidth - 20);
    const Axis up = y.axis(kBottom, kTop);
    std::optional<Mark> last;
    const std::vector<std::size_t> front = front_of(study, study.x, study.y);
    for (const std::size_t point : front) {
        const Mark mark{point, *number_of(study.points[point].cells[study.x]),
                        *number_of(study.points[point].cells[study.y])};
        if (last) {
            svg.line(across(last->x), up(last->y), across(mark.x), up(mark.y), "front");
        }
        last = mark;
    }
    for (const Mark& mark : marks) {
        const bool best = std::find(front.begin(), front.end(), mark.point) != front.end();
        const bool fits = study.points[mark.point].fits;
        svg.circle(across(mark.x), up(mark.y), best ? 5 : 3,
                   !fits  ? "bubble"
                   : best ? "s1"
                          : "s0",
                   told(study, mark, x, y));
    }
    return svg.str();
}

}  // namespace orrery::report
