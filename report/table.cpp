#include "report/table.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "report/text_width.hpp"

namespace orrery::report {
namespace {

constexpr std::size_t kGap = 2;         // columns between two columns
constexpr std::size_t kNarrowest = 12;  // a wrapping column is not narrowed below this

std::size_t line_width(const std::vector<std::size_t>& widths, const std::vector<std::size_t>& shown) {
    std::size_t width = shown.empty() ? 0 : kGap * (shown.size() - 1);
    for (std::size_t column : shown) width += widths[column];
    return width;
}

void remove_trailing_spaces(std::string& line) {
    line.erase(line.find_last_not_of(' ') + 1);
}

/// Narrows the widest wrapping columns one by one until the line fits; false if it cannot.
bool narrow(std::vector<std::size_t>& widths, const std::vector<std::size_t>& shown,
            const std::vector<Column>& columns, std::size_t width) {
    while (line_width(widths, shown) > width) {
        std::size_t widest = columns.size();
        for (std::size_t column : shown) {
            if (!columns[column].wraps || widths[column] <= kNarrowest) continue;
            if (widest == columns.size() || widths[column] > widths[widest]) widest = column;
        }
        if (widest == columns.size()) return false;
        --widths[widest];
    }
    return true;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add_row(std::vector<std::string> cells) {
    assert(cells.size() <= columns_.size());
    cells.resize(columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back({std::move(cells), false});
}

void Table::add_rule() {
    rows_.push_back({{}, true});
}

std::vector<std::size_t> Table::natural_widths() const {
    std::vector<std::size_t> widths;
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        std::size_t width = display_width(columns_[column].title);
        for (const Row& row : rows_) {
            if (!row.rule) width = std::max(width, display_width(row.cells[column]));
        }
        widths.push_back(width);
    }
    return widths;
}

std::string Table::render(std::size_t width, std::size_t indent) const {
    const std::size_t room = width > indent ? width - indent : 1;
    std::vector<std::size_t> shown(columns_.size());
    std::iota(shown.begin(), shown.end(), std::size_t{0});
    std::vector<std::size_t> widths = natural_widths();
    std::string left_out;
    while (!narrow(widths, shown, columns_, room)) {
        const auto next = std::max_element(shown.begin(), shown.end(), [this](std::size_t a, std::size_t b) {
            return columns_[a].drop_order < columns_[b].drop_order;
        });
        if (next == shown.end() || columns_[*next].drop_order == 0) break;
        left_out += (left_out.empty() ? "" : ", ") + columns_[*next].title;
        shown.erase(next);
        widths = natural_widths();
    }

    std::string text;
    const auto print = [&](const std::vector<std::string>& cells) {
        std::vector<std::vector<std::string>> lines(columns_.size());
        std::size_t height = 1;
        for (std::size_t column : shown) {
            lines[column] = wrap(cells[column], std::max<std::size_t>(widths[column], 2));
            height = std::max(height, lines[column].size());
        }
        for (std::size_t row = 0; row < height; ++row) {
            std::string line(indent, ' ');
            for (std::size_t column : shown) {
                if (column != shown.front()) line.append(kGap, ' ');
                line += padded(row < lines[column].size() ? lines[column][row] : "", widths[column],
                               columns_[column].align);
            }
            remove_trailing_spaces(line);
            text += line + "\n";
        }
    };

    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    std::string rule;
    for (std::size_t i = 0; i < std::min(room, line_width(widths, shown)); ++i) rule += "─";
    const std::string rule_line = std::string(indent, ' ') + rule + "\n";
    if (std::any_of(titles.begin(), titles.end(), [](const std::string& t) { return !t.empty(); })) {
        print(titles);
        text += rule_line;
    }
    for (const Row& row : rows_) {
        if (row.rule) {
            text += rule_line;
        } else {
            print(row.cells);
        }
    }
    if (!left_out.empty()) {
        for (const std::string& line : wrap("(left out for width: " + left_out + ")", room)) {
            text += std::string(indent, ' ') + line + "\n";
        }
    }
    return text;
}

std::string padded(const std::string& text, std::size_t width, Align align) {
    const std::size_t used = display_width(text);
    if (used >= width) return text;
    const std::string space(width - used, ' ');
    return align == Align::left ? text + space : space + text;
}

std::string bar(double fraction, std::size_t width) {
    static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double clamped = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0;
    const auto eighths = static_cast<std::size_t>(std::lround(clamped * static_cast<double>(width) * 8));
    std::string text;
    for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
    return text + kEighths[eighths % 8];
}

}  // namespace orrery::report
