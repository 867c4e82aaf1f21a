#include "schedules/gantt_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "schedules/gantt.hpp"

namespace orrery::schedules {
namespace {

struct KindStyle {
    char letter;
    const char* name;
    std::array<int, 2> indexed;  ///< background of the first chunk and of later ones, 256 colours
    std::array<int, 2> basic;    ///< the same among the 16
};

const KindStyle& style(ActionKind kind) {
    static constexpr std::array<KindStyle, 7> kStyles = {{{'F', "forward", {25, 111}, {44, 104}},
                                                          {'B', "backward", {29, 115}, {42, 102}},
                                                          {'B', "input gradient", {30, 116}, {46, 106}},
                                                          {'W', "weight gradient", {64, 150}, {42, 102}},
                                                          {'R', "recomputation", {97, 183}, {45, 105}},
                                                          {'E', "evict", {172, 215}, {43, 103}},
                                                          {'L', "load", {131, 174}, {41, 101}}}};
    return kStyles[static_cast<std::size_t>(kind)];
}

constexpr char kIdle = '.';

/// One column: what is in it and the character shown.
struct Cell {
    int kind = -1;  ///< -1: idle
    bool later = false;
    char shown = ' ';
    bool operator==(const Cell&) const = default;
};

class TextDrawing {
  public:
    TextDrawing(const Schedule& schedule, const Evaluation& evaluation, int width, TextColour colour)
        : schedule_(schedule), evaluation_(evaluation), colour_(colour) {
        label_ = static_cast<int>(std::to_string(schedule.devices - 1).size());
        columns_ = std::max(width, 20) - label_ - 2;
        for (int device = 0; device < schedule.devices; ++device) {
            auto boxes = gantt_boxes(schedule, evaluation, device);
            std::erase_if(boxes, [](const GanttBox& box) {
                return box.kind == ActionKind::evict || box.kind == ActionKind::load;
            });
            boxes_.push_back(std::move(boxes));
        }
        choose_scale();
    }

    std::string draw() {
        std::string text;
        for (int device = 0; device < schedule_.devices; ++device) {
            text += fmt::format("{:>{}} |", device, label_);
            text += painted(boxed_ ? boxed_row(boxes_[device]) : dense_row(boxes_[device]));
            text += '\n';
        }
        return text + legend();
    }

  private:
    /// Whole columns per shortest action where there are several, so that equal boxes look equal.
    void choose_scale() {
        if (evaluation_.makespan <= 0) return;
        double shortest = evaluation_.makespan;
        for (const auto& row : boxes_)
            for (const GanttBox& box : row)
                if (box.end > box.start) shortest = std::min(shortest, (box.end - box.start) / box.parts);
        scale_ = columns_ / evaluation_.makespan;
        boxed_ = shortest * scale_ >= 1;
        if (shortest * scale_ >= 4) scale_ = std::min(std::floor(shortest * scale_), 12.0) / shortest;
    }
    int column(double time) const { return static_cast<int>(std::lround(time * scale_)); }
    int used_columns() const { return std::min(column(evaluation_.makespan), columns_); }

    std::vector<Cell> boxed_row(const std::vector<GanttBox>& boxes) const {
        std::vector<Cell> row(static_cast<std::size_t>(used_columns()));
        for (const GanttBox& box : boxes) {
            // The members of an overlapped unit share its box from left to right.
            const double part = (box.end - box.start) / box.parts;
            const int first = column(box.start + part * box.part);
            const int last = std::min(column(box.start + part * (box.part + 1)), used_columns());
            const std::string label = label_of(box, last - first);
            for (int i = first; i < last; ++i)
                row[i] = {static_cast<int>(box.kind), box.shade > 0, label[i - first]};
        }
        return row;
    }

    /// What stands in a box of so many columns: its number, and without colours its kind before it.
    std::string label_of(const GanttBox& box, int width) const {
        const std::string number = gantt_label(schedule_, box);
        const char letter = style(box.kind).letter;
        std::string text;
        if (colour_ == TextColour::none) {
            text = box.shade > 0 ? static_cast<char>(letter - 'A' + 'a') : letter;
            if (static_cast<int>(number.size()) < width) text += number;
            text.resize(static_cast<std::size_t>(std::max(width, 0)), '-');
        } else {
            if (static_cast<int>(number.size()) <= width) text = number;
            text.resize(static_cast<std::size_t>(std::max(width, 0)), ' ');
        }
        return text;
    }

    std::vector<Cell> dense_row(const std::vector<GanttBox>& boxes) const {
        std::vector<std::array<double, 7>> share(static_cast<std::size_t>(columns_));
        for (const GanttBox& box : boxes) {
            const double first = box.start * scale_;
            const double last = std::min(box.end * scale_, static_cast<double>(columns_));
            for (int i = static_cast<int>(first); i < columns_ && i < last; ++i)
                share[i][static_cast<int>(box.kind)] +=
                    (std::min(last, i + 1.0) - std::max(first, static_cast<double>(i))) / box.parts;
        }
        std::vector<Cell> row(share.size());
        for (std::size_t i = 0; i < share.size(); ++i) {
            const auto most = std::max_element(share[i].begin(), share[i].end());
            double busy = 0;
            for (const double part : share[i]) busy += part;
            if (busy < 0.5) continue;
            const int kind = static_cast<int>(most - share[i].begin());
            row[i] = {kind, false,
                      colour_ == TextColour::none ? style(static_cast<ActionKind>(kind)).letter : ' '};
        }
        return row;
    }

    std::string painted(const std::vector<Cell>& row) const {
        std::string text;
        const Cell* before = nullptr;
        for (const Cell& cell : row) {
            if (colour_ == TextColour::none) {
                text += cell.kind < 0 ? kIdle : cell.shown;
                continue;
            }
            if (before == nullptr || before->kind != cell.kind || before->later != cell.later)
                text += code(cell);
            text += cell.kind < 0 ? ' ' : cell.shown;
            before = &cell;
        }
        if (colour_ != TextColour::none) text += "\x1b[0m";
        return text;
    }

    std::string code(const Cell& cell) const {
        if (cell.kind < 0) return "\x1b[0m";
        const KindStyle& kind = style(static_cast<ActionKind>(cell.kind));
        const std::size_t shade = cell.later ? 1 : 0;
        if (colour_ == TextColour::basic)
            return fmt::format("\x1b[0;{};{}m", cell.later ? 30 : 97, kind.basic[shade]);
        return fmt::format("\x1b[0;38;5;{};48;5;{}m", cell.later ? 16 : 231, kind.indexed[shade]);
    }

    std::string legend() const {
        std::set<ActionKind> kinds;
        for (const auto& row : boxes_)
            for (const GanttBox& box : row) kinds.insert(box.kind);
        std::string text(static_cast<std::size_t>(label_) + 2, ' ');
        for (const ActionKind kind : kinds) {
            if (colour_ == TextColour::none) {
                text += fmt::format("{} {}   ", style(kind).letter, style(kind).name);
            } else {
                text += code({static_cast<int>(kind), false, ' '}) + "  \x1b[0m";
                if (gantt_shades(schedule_) > 1)
                    text += code({static_cast<int>(kind), true, ' '}) + "  \x1b[0m";
                text += fmt::format(" {}   ", style(kind).name);
            }
        }
        if (colour_ == TextColour::none && gantt_shades(schedule_) > 1 && boxed_)
            text += "lower case: later chunks";
        while (!text.empty() && text.back() == ' ') text.pop_back();
        return text + "\n";
    }

    const Schedule& schedule_;
    const Evaluation& evaluation_;
    TextColour colour_;
    int label_ = 1;
    int columns_ = 0;
    double scale_ = 0;
    bool boxed_ = true;
    std::vector<std::vector<GanttBox>> boxes_;
};

}  // namespace

std::string gantt_text(const Schedule& schedule, const Evaluation& evaluation, int width, TextColour colour) {
    return TextDrawing(schedule, evaluation, width, colour).draw();
}

}  // namespace orrery::schedules
