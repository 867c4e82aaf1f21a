// report/validation.hpp
//
// Predictions beside recorded runs, and the errors between them: what `orrery validate --runs` prints. An
// error is (predicted - measured) / measured of the step time, a fraction; positive means predicted too slow.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace orrery::report {

struct ValidatedRun {
    std::string id;
    std::string source;  ///< a short name of where the run was published
    std::string model;   ///< for the reader; may be empty
    long long gpus = 0;
    double predicted_step_time_s = 0;
    double measured_step_time_s = 0;  ///< > 0

    std::string schedule = {};  ///< of the pipeline, where the table names it
    std::string setting = {};   ///< what is equal among runs to be ranked (report/ranking.hpp); may be empty
    double tokens = 1;          ///< of the global batch

    double predicted_peak_bytes = 0;  ///< of the fullest GPU; 0 where no memory was recorded
    double measured_peak_bytes = 0;   ///< 0 where none was recorded

    [[nodiscard]] double error() const { return predicted_step_time_s / measured_step_time_s - 1; }
    [[nodiscard]] double throughput_error() const { return measured_step_time_s / predicted_step_time_s - 1; }
    [[nodiscard]] bool has_memory() const { return measured_peak_bytes > 0 && predicted_peak_bytes > 0; }
    [[nodiscard]] double memory_error() const { return predicted_peak_bytes / measured_peak_bytes - 1; }
};

/// A row that could not be simulated, and why.
struct SkippedRun {
    std::string id;
    std::string source;
    std::string reason;  ///< few distinct texts: they are counted
};

struct Validation {
    std::vector<ValidatedRun> rows;  ///< in the order of the table of runs
    std::vector<SkippedRun> skipped;

    /// {reason: count}
    [[nodiscard]] std::map<std::string, std::size_t> skipped_by_reason() const;
    /// Names of all sources, in order of first appearance (compared rows first).
    [[nodiscard]] std::vector<std::string> sources() const;
    /// The compared rows of one source.
    [[nodiscard]] std::vector<ValidatedRun> rows_of(const std::string& source) const;
};

/// All errors are fractions; 0 where there are no rows.
struct ErrorSummary {
    std::size_t rows = 0;
    double mean_abs = 0;
    double median_abs = 0;  ///< mean of the two middle ones when their number is even
    double max_abs = 0;
    double mean_signed = 0;
    double mean_abs_throughput = 0;  ///< of tokens per second
    std::string worst_id;            ///< the row with max_abs; empty where there are none
};

ErrorSummary summarize(std::span<const ValidatedRun> rows);

/// Errors of the peak memory, over the rows that record one.
struct MemorySummary {
    std::size_t rows = 0;
    double mean_abs = 0;
    double mean_signed = 0;
};

MemorySummary summarize_memory(std::span<const ValidatedRun> rows);

}  // namespace orrery::report
