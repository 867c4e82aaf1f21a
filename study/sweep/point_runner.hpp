// study/sweep/point_runner.hpp
//
// What becomes of one point of a study.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "study/sweep/store.hpp"
#include "study/sweep/study_file.hpp"

namespace orrery::study {

/// A value of an objective as a number to minimize; NaN where it is none.
double badness(const Objective& objective, const sqlite::Value& value);

/// A study with its expressions compiled. Used by one thread at a time.
class PointRunner {
  public:
    /// The study must outlive it.
    explicit PointRunner(const Study& study);

    /// Reads, checks and simulates the point. Its mistakes become its row; an expression that fails for it
    /// throws InputError.
    PointRow run(std::uint64_t point);

    /// What is known of a point before it is simulated: its row, where it is illegal, excluded by its
    /// settings or too large for its parameters alone; otherwise nothing but a bound of its `badness`.
    struct Examined {
        std::optional<PointRow> row;
        double bound = 0;  ///< the objective cannot be better
    };
    /// Only where can_prune(study).
    Examined examine(std::uint64_t point);

    /// The row of a legal point that is not simulated because its bound is worse than the best.
    PointRow pruned(std::uint64_t point);

    /// Of the only objective; infinite for a row that is not ok.
    double badness_of(const PointRow& row);

  private:
    [[nodiscard]] Values settings_of(const Experiment& experiment, std::uint64_t point) const;
    [[nodiscard]] Values varied_only(std::uint64_t point) const;
    /// The experiment of a legal point that no early condition excludes; otherwise fills the row.
    std::optional<Experiment> read(std::uint64_t point, PointRow& row);
    [[nodiscard]] double badness_at(const Experiment& experiment, double step_s) const;
    void simulate_into(PointRow& row, const Experiment& experiment);

    const Study& study_;
    std::vector<Expressions> define_;  ///< each may use those before it
    std::vector<Expression> early_;    ///< conditions that settings alone decide
    std::vector<Expression> late_;
    std::optional<Expressions> early_compiled_;
    std::optional<Expressions> late_compiled_;
    std::optional<Expressions> objective_;
};

}  // namespace orrery::study
