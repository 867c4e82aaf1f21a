#include "report/study_summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/study_report.hpp"
#include "report/table.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr std::size_t kMostReasons = 6;  ///< of one status

bool is_share(const std::string& column) {
    return column == "mfu" || column == "hfu" || column.find("_ratio") != std::string::npos ||
           column.ends_with("overhead");
}

bool is_bytes(const std::string& column) {
    return column.ends_with("_bytes") || column.starts_with("memory.");
}

std::string status_word(const std::string& status) {
    return status == "too_large" ? "does not fit" : status;
}

Table counts_table(const StudySummary& summary) {
    Table table({{"points", Align::right}, {"", Align::left}, {"reason", Align::left, true}});
    std::map<std::string, std::size_t> shown;
    std::map<std::string, std::uint64_t> hidden;
    for (const StudyCount& count : summary.counts) {
        if (++shown[count.status] > kMostReasons) {
            hidden[count.status] += count.points;
            continue;
        }
        table.add_row(
            {grouped(static_cast<std::int64_t>(count.points)), status_word(count.status), count.reason});
    }
    for (const auto& [status, points] : hidden) {
        table.add_row({grouped(static_cast<std::int64_t>(points)), status_word(status), "other reasons"});
    }
    return table;
}

std::string best_title(const StudySummary& summary) {
    std::string goals;
    for (const StudyObjective& objective : summary.objectives) {
        goals += fmt::format("{}{} {}", goals.empty() ? "" : ", ",
                             objective.minimize ? "minimize" : "maximize", objective.expression);
    }
    if (summary.front) {
        return fmt::format("Pareto front: {} ({} points, {} shown)", goals, summary.ranked,
                           summary.best.size());
    }
    return fmt::format("best {} of {}: {}", summary.best.size(), summary.ranked, goals);
}

}  // namespace

std::vector<std::string> short_names(const std::vector<std::string>& columns) {
    const auto last = [](const std::string& column) {
        const std::string name = column.substr(column.rfind('.') + 1);
        return name == "name" && column != name ? column.substr(0, column.rfind('.')) : name;
    };
    std::map<std::string, int> times;
    for (const std::string& column : columns) ++times[last(column)];
    std::vector<std::string> names;
    for (const std::string& column : columns) {
        const bool clear = times[last(column)] == 1 && column.find(' ') == std::string::npos;
        names.push_back(clear ? last(column) : column);
    }
    return names;
}

StudyUnit unit_of(const std::string& column) {
    if (column == "memory.fits") return StudyUnit::plain;
    if (is_bytes(column)) return StudyUnit::bytes;
    if (column.ends_with("_s") && column.find("per_s") == std::string::npos) return StudyUnit::seconds;
    return is_share(column) ? StudyUnit::share : StudyUnit::plain;
}

std::string cell_text(const std::string& column, const StudyCell& cell) {
    const StudyUnit unit = unit_of(column);
    if (const auto* text = std::get_if<std::string>(&cell)) return *text;
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) {
        return unit == StudyUnit::bytes ? bytes(static_cast<double>(*whole)) : std::to_string(*whole);
    }
    const auto* number = std::get_if<double>(&cell);
    if (number == nullptr) return "-";
    if (unit == StudyUnit::seconds) return duration(*number);
    if (unit == StudyUnit::bytes) return bytes(*number);
    if (unit == StudyUnit::share) return percent(*number);
    const bool whole = std::abs(*number) < 1e6 && *number == std::floor(*number);
    return whole ? std::to_string(static_cast<std::int64_t>(*number)) : scaled(*number);
}

std::string rows_table(const std::vector<std::string>& columns,
                       const std::vector<std::vector<StudyCell>>& rows, std::size_t width,
                       const std::vector<std::string>& kept) {
    const std::vector<std::string> names = short_names(columns);
    std::vector<Column> heads;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const bool text = std::any_of(rows.begin(), rows.end(), [i](const auto& row) {
            return std::holds_alternative<std::string>(row[i]);
        });
        const bool keep = std::find(kept.begin(), kept.end(), columns[i]) != kept.end();
        heads.push_back({names[i], text ? Align::left : Align::right, text, keep ? 0 : static_cast<int>(i)});
    }
    Table table(heads);
    for (const auto& row : rows) {
        std::vector<std::string> cells;
        for (std::size_t i = 0; i < row.size(); ++i) cells.push_back(cell_text(columns[i], row[i]));
        table.add_row(std::move(cells));
    }
    return table.render(width);
}

std::string study_table(const StudySummary& summary, std::size_t width) {
    std::string text = summary.name + "\n";
    if (!summary.description.empty()) text += summary.description + "\n";
    text += fmt::format("{} points\n\n", grouped(static_cast<std::int64_t>(summary.points)));
    text += counts_table(summary).render(width);
    if (summary.best.empty()) return text + "\n  no point is legal, fits and meets every condition\n";
    text += fmt::format("\n  {}\n", best_title(summary));
    std::vector<std::string> objectives;
    for (const StudyObjective& objective : summary.objectives) objectives.push_back(objective.expression);
    return text + rows_table(summary.columns, summary.best, width, objectives);
}

}  // namespace orrery::report
