#include <fmt/format.h>

#include <array>
#include <cmath>

#include "report/html/axis.hpp"
#include "report/html/svg.hpp"
#include "report/html/svg_charts.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr double kLabel = 150;  // columns of the labels at the left
constexpr double kComputeRow = 18;
constexpr double kOtherRow = 8;
constexpr double kRowGap = 2;
constexpr double kStageGap = 6;  // above each compute stream but the first
constexpr double kTop = 26;      // legend
constexpr double kBottom = 22;   // axis
constexpr std::size_t kCategories = static_cast<std::size_t>(Category::kCount);

double gap_above(const Gantt& gantt, std::size_t index) {
    return index > 0 && gantt.rows[index].device != gantt.rows[index - 1].device ? kStageGap : 0;
}

double height_of(const GanttRow& row) {
    return row.compute ? kComputeRow : kOtherRow;
}

/// One row's boxes as one path per category. Boxes of a category that touch at this scale are drawn as one,
/// so that the picture's size depends on its width and not on the number of tasks.
class RowPaths {
  public:
    RowPaths(double top, double height) : top_(top), height_(height) {}

    void add(std::size_t category, double left, double right) {
        Run& run = runs_[category];
        constexpr double kTouching = 0.3;
        if (run.open && left - run.right <= kTouching) {
            run.right = right;
            return;
        }
        close(run);
        run.open = true;
        run.left = left;
        run.right = right;
    }

    std::array<std::string, kCategories> finish() {
        std::array<std::string, kCategories> paths;
        for (std::size_t category = 0; category < kCategories; ++category) {
            close(runs_[category]);
            paths[category] = std::move(runs_[category].path);
        }
        return paths;
    }

  private:
    struct Run {
        std::string path;
        double left = 0;
        double right = 0;
        bool open = false;
    };

    void close(Run& run) const {
        if (!run.open) return;
        const double width = std::max(run.right - run.left, 0.2);
        run.path +=
            fmt::format("M{:.1f} {:.0f}h{:.1f}v{:.0f}h{:.1f}z", run.left, top_, width, height_, -width);
    }

    double top_;
    double height_;
    std::array<Run, kCategories> runs_;
};

void legend(Svg& svg, const Gantt& gantt) {
    std::array<bool, kCategories> used{};
    for (const GanttRow& row : gantt.rows) {
        for (const GanttBox& box : row.boxes) {
            used[static_cast<std::size_t>(gantt.classes[box.class_index].category)] = true;
        }
    }
    double x = kLabel;
    for (std::size_t category = 0; category < kCategories; ++category) {
        if (!used[category]) continue;
        const std::string name(to_string(static_cast<Category>(category)));
        svg.rectangle(x, 4, 10, 10, colour_of(static_cast<Category>(category)));
        svg.text(x + 14, 13, name);
        x += 14 + 6.2 * static_cast<double>(name.size()) + 16;
    }
}

void row_label(Svg& svg, const Gantt& gantt, std::size_t index, double middle) {
    const GanttRow& row = gantt.rows[index];
    if (row.compute) {
        svg.text(kLabel - 6, middle + 4, fmt::format("stage {} (rank {})", row.pipeline_device, row.device),
                 Anchor::end);
    } else {
        svg.text(kLabel - 6, middle + 3, row.stream, Anchor::end, "small");
    }
}

void row_boxes(Svg& svg, const Gantt& gantt, const GanttRow& row, const Axis& axis, double top) {
    RowPaths paths(top, height_of(row));
    for (const GanttBox& box : row.boxes) {
        paths.add(static_cast<std::size_t>(gantt.classes[box.class_index].category), axis(box.start_s),
                  axis(box.end_s));
    }
    const auto drawn = paths.finish();
    for (std::size_t category = 0; category < kCategories; ++category) {
        if (!drawn[category].empty()) svg.path(drawn[category], colour_of(static_cast<Category>(category)));
    }
    if (!row.compute) return;
    constexpr double kWideEnough = 16;
    for (const GanttBox& box : row.boxes) {
        const double left = axis(box.start_s);
        const double right = axis(box.end_s);
        if (box.micro_batch < 0 || right - left < kWideEnough) continue;
        svg.line(right, top, right, top + kComputeRow, "box-edge");
        svg.text((left + right) / 2, top + 13, std::to_string(box.micro_batch), Anchor::middle, "in-box");
    }
}

}  // namespace

std::string svg_of(const Gantt& gantt) {
    double height = kTop + kBottom;
    for (std::size_t i = 0; i < gantt.rows.size(); ++i) {
        height += gap_above(gantt, i) + height_of(gantt.rows[i]) + kRowGap;
    }
    Svg svg(kPictureWidth, height, "Gantt chart of the step");
    const Axis axis(0, gantt.axis_s, kLabel, kPictureWidth - 10);
    for (const double tick : linear_ticks(gantt.axis_s, 8)) {
        svg.line(axis(tick), kTop, axis(tick), height - kBottom + 4, "grid");
        svg.text(axis(tick), height - 6, trimmed(duration(tick)), Anchor::middle);
    }
    legend(svg, gantt);
    double top = kTop;
    for (std::size_t i = 0; i < gantt.rows.size(); ++i) {
        top += gap_above(gantt, i);
        row_label(svg, gantt, i, top + height_of(gantt.rows[i]) / 2);
        row_boxes(svg, gantt, gantt.rows[i], axis, top);
        top += height_of(gantt.rows[i]) + kRowGap;
    }
    return svg.str();
}

}  // namespace orrery::report
