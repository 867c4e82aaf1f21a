#include "core/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/atomic_file.hpp"

namespace orrery::csv {
namespace {

constexpr std::size_t kLargest = std::size_t{16} << 20;

/// Walks the text cell by cell.
class Reader {
  public:
    Reader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

    [[nodiscard]] bool done() const { return at_ == text_.size(); }
    [[nodiscard]] std::size_t line() const { return line_; }

    /// One row; the line end is consumed.
    std::vector<std::string> row() {
        std::vector<std::string> cells;
        while (true) {
            cells.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
            if (at_ < text_.size() && text_[at_] == ',') {
                ++at_;
                continue;
            }
            end_of_line();
            return cells;
        }
    }

  private:
    std::string plain() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
        return std::string(text_.substr(begin, at_ - begin));
    }

    std::string quoted() {
        const std::size_t opened = line_;
        std::string cell;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') {
                if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
                    ++at_;
                } else {
                    ++at_;
                    return cell;
                }
            }
            if (text_[at_] == '\n') ++line_;
            cell += text_[at_];
        }
        throw InputError({file_, opened, 0}, "", "a quoted cell begins on this line and never ends");
    }

    void end_of_line() {
        if (at_ == text_.size()) return;
        if (text_[at_] == '\r') ++at_;
        if (at_ < text_.size() && text_[at_] == '\n') {
            ++at_;
            ++line_;
        } else if (at_ < text_.size()) {
            throw InputError({file_, line_, 0}, "", "expected a comma or the end of the line after a cell");
        }
    }

    std::string_view text_;
    const std::string& file_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
};

}  // namespace

std::optional<std::size_t> Table::column(std::string_view name) const {
    const auto it = std::find(columns.begin(), columns.end(), name);
    if (it == columns.end()) return std::nullopt;
    return static_cast<std::size_t>(it - columns.begin());
}

const std::string& Table::cell(const Row& row, std::string_view name) const {
    static const std::string empty;
    const auto index = column(name);
    return index ? row.cells[*index] : empty;
}

std::optional<double> Table::number(const Row& row, std::string_view name) const {
    const std::string& text = cell(row, name);
    if (text.empty()) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
        throw InputError(where(row), std::string(name),
                         fmt::format("'{}' is not a number", text.substr(0, 40)));
    }
    return value;
}

std::optional<long long> Table::integer(const Row& row, std::string_view name) const {
    const std::optional<double> value = number(row, name);
    if (!value) return std::nullopt;
    if (*value != std::floor(*value) || std::abs(*value) > 1e15) {
        throw InputError(where(row), std::string(name),
                         fmt::format("'{}' is not a whole number", cell(row, name).substr(0, 40)));
    }
    return static_cast<long long>(*value);
}

Table parse(std::string_view text, const std::string& file) {
    if (text.size() > kLargest) throw InputError({file}, "", "the table is larger than 16 MiB");
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    Reader reader(text, file);
    Table table{file, {}, {}};
    if (reader.done()) throw InputError({file}, "", "the table is empty; expected a header line");
    table.columns = reader.row();
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (table.column(table.columns[i]) != i) {
            throw InputError({file, 1, 0}, table.columns[i], "this column stands twice in the header");
        }
    }
    while (!reader.done()) {
        const std::size_t line = reader.line();
        std::vector<std::string> cells = reader.row();
        if (cells.size() == 1 && cells[0].empty()) continue;  // an empty line
        if (cells.size() != table.columns.size()) {
            throw InputError(
                {file, line, 0}, "",
                fmt::format("{} cells, but the header has {}", cells.size(), table.columns.size()));
        }
        table.rows.push_back({line, std::move(cells)});
    }
    return table;
}

Table read(const std::filesystem::path& path) {
    return parse(read_file(path, kLargest), path.string());
}

}  // namespace orrery::csv
