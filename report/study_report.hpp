// report/study_report.hpp
//
// The points of a study for its page: every point that was simulated, with what differs between them and the
// figures of each. `study` fills it from the store (study/sweep/study_report.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/gantt.hpp"
#include "report/study_summary.hpp"

namespace orrery::report {

/// Which values of a figure are better; none for settings and figures that are neither (a count of GPUs).
enum class Better { neither, less, more };

struct StudyColumn {
    std::string name;  ///< "parallel.tp", "step_time_s", or an objective's expression
    bool setting = false;
    Better better = Better::neither;
};

struct StudyPoint {
    std::uint64_t id = 0;
    bool fits = true;              ///< false: simulated, but needs more memory than a GPU has
    bool on_front = false;         ///< no other point is better in one objective and as good in all
    std::vector<StudyCell> cells;  ///< [column]
};

struct StudyReport {
    StudySummary summary;
    std::vector<StudyColumn> columns;  ///< settings first
    std::vector<StudyPoint> points;    ///< the ranked ones first, best first; then by id
    std::uint64_t left_out = 0;        ///< points beyond kMostStudyPoints: the CSV has them
    std::size_t x = 0;                 ///< columns of the scatter plot, until the reader chooses others
    std::size_t y = 0;
    std::string rerun;  ///< the command up to the point's number: "orrery run STUDY --point"
    std::vector<std::pair<std::uint64_t, Gantt>> charts;  ///< of the best points, by id
};

/// A page of more points is slow to open: about 20 MB.
inline constexpr std::size_t kMostStudyPoints = 50'000;

/// "parallel.tp" as "tp" and "schedule.name" as "schedule", where that is clear: what tables and axes call
/// the columns.
std::vector<std::string> short_names(const std::vector<std::string>& columns);

/// How a column's numbers are printed (cell_text).
enum class StudyUnit { plain, seconds, bytes, share };
StudyUnit unit_of(const std::string& column);

}  // namespace orrery::report
