// core/csv.hpp
//
// Tables as comma-separated values (RFC 4180): a header line, then rows; a cell may stand in double quotes,
// with a doubled quote inside for one. Every row knows its line, for messages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace orrery::csv {

struct Row {
    std::size_t line = 0;
    std::vector<std::string> cells;  ///< as many as the table has columns
};

struct Table {
    std::string file;
    std::vector<std::string> columns;
    std::vector<Row> rows;

    /// Position of the column, or none.
    [[nodiscard]] std::optional<std::size_t> column(std::string_view name) const;
    /// The cell, or an empty text where the table lacks the column.
    [[nodiscard]] const std::string& cell(const Row& row, std::string_view name) const;
    /// The cell as a finite number; none where it is empty. Throws InputError (line, column name) for
    /// anything else.
    [[nodiscard]] std::optional<double> number(const Row& row, std::string_view name) const;
    [[nodiscard]] std::optional<long long> integer(const Row& row, std::string_view name) const;
    [[nodiscard]] Location where(const Row& row) const { return {file, row.line, 0}; }
};

/// Parses a table. Throws InputError with the line for a quote that never closes, a row with too many or too
/// few cells, a header with a name twice, more than 16 MiB.
Table parse(std::string_view text, const std::string& file);
Table read(const std::filesystem::path& path);

}  // namespace orrery::csv
