// report/table.hpp
//
// Plain-text tables that keep to a width. Columns are as wide as their widest cell; when together they are
// too wide, columns marked `wraps` are narrowed and their cells broken over lines, and if that is not enough,
// the columns with the highest `drop_order` are left out (the table says which under its last line).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace orrery::report {

inline constexpr std::size_t kPageWidth = 80;

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::left;
    bool wraps = false;
    int drop_order = 0;  ///< 0: never left out
};

class Table {
  public:
    explicit Table(std::vector<Column> columns);

    /// One cell per column; missing cells are empty, superfluous ones a programmer mistake (assert).
    void add_row(std::vector<std::string> cells);
    /// A line across the table before the next row.
    void add_rule();

    [[nodiscard]] bool empty() const { return rows_.empty(); }

    /// The lines, each ended by '\n', none wider than `width` columns as far as the cells that do not wrap
    /// allow. `indent` spaces stand before each line and count towards the width.
    [[nodiscard]] std::string render(std::size_t width = kPageWidth, std::size_t indent = 2) const;

  private:
    struct Row {
        std::vector<std::string> cells;
        bool rule = false;
    };

    [[nodiscard]] std::vector<std::size_t> natural_widths() const;

    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

/// `text` in `width` columns, padded with spaces on the side opposite to `align`.
std::string padded(const std::string& text, std::size_t width, Align align = Align::left);

/// A bar of `fraction` (0 to 1) of `width` columns, in eighths of a column (U+2588 to U+258F).
std::string bar(double fraction, std::size_t width);

}  // namespace orrery::report
