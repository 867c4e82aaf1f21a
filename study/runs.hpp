// study/runs.hpp
//
// Recorded training runs: the table that `orrery validate --runs` reads, and what each of its rows stands
// for. The columns are those of configs/published/runs.csv; any may be missing or empty. A row becomes an
// experiment where it says enough and Orrery can simulate it; otherwise it is skipped with a reason.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/csv.hpp"
#include "report/validation.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// Why a row cannot be compared; few distinct texts, they are counted.
struct Skipped {
    std::string reason;
};

/// A row ready to simulate.
struct RecordedRun {
    std::string id;
    std::string source;  ///< of the group of rows, without line numbers
    Experiment experiment;
    double measured_step_time_s = 0;
    double measured_peak_bytes = 0;  ///< of the fullest GPU; 0 where the row records none
    /// No rank waits for others between two steps: they follow each other at the longest span of a rank
    /// (column steps_overlap; optimizer post-validation of the zero-bubble papers).
    bool steps_overlap = false;
    /// What is equal among rows that differ in their pipeline schedule; empty where the row names none.
    std::string setting;
};

/// The experiment that a row describes. Throws InputError (line, column) for cells that are no numbers.
std::variant<RecordedRun, Skipped> interpret(const csv::Table& table, const csv::Row& row);

/// "VIA-Research/vTrain@f8dda84 data/ground_truth_single.csv line 9" -> without " line 9"; cut at the first
/// ';'.
std::string source_group(const std::string& source);

/// Predicts every row of the table that can be predicted; the others are listed with the reason, cells that
/// cannot be read too. `jobs`: threads, 0 for all cores. The order of the result is that of the table,
/// whatever the number of threads.
report::Validation validate_runs(const csv::Table& table, int jobs);

}  // namespace orrery::study
