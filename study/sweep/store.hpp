// study/sweep/store.hpp
//
// Where the results of a sweep are kept: an SQLite file in write-ahead mode, with
//   study(key, value)      the study's text and the version of Orrery that ran it
//   points(id, status, reason, ...)   one row a point; a column for each setting
//   metrics(point, ...)    one row a point that was simulated; a column for each figure
//   front(point)           the points of the Pareto front, best first where there is one objective
// Rows are written in transactions, so that a process killed at any moment leaves a file that `open` takes
// up where it stopped; what a finished table holds does not depend on how often that happened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/sqlite.hpp"
#include "study/sweep/study_file.hpp"

namespace orrery::study {

/// What became of a point.
enum class PointStatus : std::uint8_t {
    ok,
    too_large,  ///< needs more memory than a GPU has; simulated unless the best alone are asked for
    excluded,   ///< a condition of `where` does not hold
    illegal,    ///< no such plan: degrees that do not fit together
    failed,     ///< legal, but cannot be simulated: deadlock, a capability that is missing
    pruned,     ///< its bound is worse than the best found (only when the best alone are asked for)
};
std::string_view to_string(PointStatus status);

struct PointRow {
    std::uint64_t id = 0;
    PointStatus status = PointStatus::ok;
    std::string reason;  ///< empty for ok
    Values settings;     ///< as Study::settings; of an illegal point only what `vary` sets, else NULL
    Values figures;      ///< as Study::figures; empty where it was not simulated
};

class Store {
  public:
    /// Opens the file, or makes it. Throws InputError when it exists and holds another study, or results of
    /// another version of Orrery, or is no database.
    Store(const std::filesystem::path& file, const Study& study, const std::string& version);

    /// [point] whether it is there already.
    [[nodiscard]] std::vector<bool> done(std::uint64_t points);
    /// Adds rows in one transaction; a row that is there already stays.
    void add(std::span<const PointRow> rows);
    /// Takes over the rows of another file of the same study, as a process of a job leaves it. Throws as the
    /// constructor.
    void absorb(const std::filesystem::path& file, const Study& study, const std::string& version);
    void write_front(std::span<const std::uint64_t> points);

    /// Rows of that status, with the value of each expression, by id. Points without figures count only for
    /// expressions over settings.
    struct Found {
        std::uint64_t id = 0;
        Values values;
    };
    std::vector<Found> find(PointStatus status, const std::vector<Expression>& expressions);

    struct Count {
        PointStatus status = PointStatus::ok;
        std::string reason;
        std::uint64_t points = 0;
    };
    /// How many points of each status and reason, by status, the most frequent first.
    std::vector<Count> counts();

    /// All points with their columns, by id, as CSV (RFC 4180).
    std::string csv();

    sqlite::Database& database() { return database_; }

  private:
    Columns settings_;
    Columns figures_;
    sqlite::Database database_;
};

/// The FROM clause over a study's database under which queries see its columns by group; also point.id,
/// point.status and point.reason. `simulated`: only points that have figures.
std::string store_from_clause(const Columns& settings, const Columns& figures, bool simulated = false);

}  // namespace orrery::study
