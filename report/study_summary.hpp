// report/study_summary.hpp
//
// What a study came out as, for its table, its JSON and its page. `study` fills it from the store.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace orrery::report {

/// A cell of a study's table: nothing, an integer, a number, a text.
using StudyCell = std::variant<std::monostate, std::int64_t, double, std::string>;

struct StudyCount {
    std::string status;  ///< "ok", "too_large", "excluded", "illegal", "failed", "pruned"
    std::string reason;  ///< empty for ok
    std::uint64_t points = 0;
};

struct StudyObjective {
    std::string expression;
    bool minimize = true;
};

struct StudySummary {
    std::string name;
    std::string description;
    std::uint64_t points = 0;
    std::vector<StudyCount> counts;  ///< by status, the most frequent reason first
    std::vector<StudyObjective> objectives;
    bool front = false;                        ///< `best` is the Pareto front of several objectives
    std::uint64_t ranked = 0;                  ///< how many points `best` was taken from (or the front holds)
    std::vector<std::string> columns;          ///< of `best`: what was varied, objectives, headline figures
    std::vector<std::vector<StudyCell>> best;  ///< rows, best first
    std::vector<std::uint64_t> best_points;    ///< their ids
};

/// `orrery sweep`: the counts with their reasons, then the best points, at most `width` columns.
std::string study_table(const StudySummary& summary, std::size_t width = 80);

/// Rows of a query as a table. Figures whose names end in _s, _bytes or _ratio are printed with their units.
/// Where the columns are too wide together, texts are broken over lines, then the last columns are left out;
/// those of `kept` never are.
std::string rows_table(const std::vector<std::string>& columns,
                       const std::vector<std::vector<StudyCell>>& rows, std::size_t width = 80,
                       const std::vector<std::string>& kept = {});

/// A cell as the tables print it, by its column's name.
std::string cell_text(const std::string& column, const StudyCell& cell);

}  // namespace orrery::report
