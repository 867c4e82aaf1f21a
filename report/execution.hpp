// report/execution.hpp
//
// A program's prediction beside its execution: what `orrery validate --on` prints. Errors are (predicted -
// measured) / measured, a fraction; positive means predicted too much. Measured figures are medians over the
// repetitions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "report/table.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

struct ComparedFigure {
    double predicted = 0;
    double measured = 0;  ///< median
    double least = 0;     ///< over the repetitions
    double most = 0;

    /// 0 where nothing was measured and nothing predicted.
    [[nodiscard]] double error() const;
    [[nodiscard]] double difference() const { return predicted - measured; }
    /// (most - least) / measured; 0 of nothing.
    [[nodiscard]] double spread() const;
};

/// The figure of so many repetitions.
ComparedFigure figure_of(double predicted, std::vector<double> measured);

/// Tasks that belong together: seconds summed over all of them.
struct ComparedGroup {
    std::string name;
    std::uint64_t tasks = 0;
    ComparedFigure seconds;
};

struct ComparedRank {
    std::uint32_t rank = 0;
    std::uint32_t device = 0;
    std::int32_t stage = 0;
    ComparedFigure compute_s;  ///< its compute streams busy
    ComparedFigure end_s;      ///< of its last task
    ComparedFigure peak_bytes;
};

/// The first task (by its predicted start) that ended apart from its prediction.
struct Parting {
    std::string task;
    double predicted_start_s = 0, predicted_end_s = 0;
    double measured_start_s = 0, measured_end_s = 0;
    double slack_s = 0;  ///< how far apart counts
};

/// Where measured order is not simulated order: `second` follows `first` on its stream, or depends on it, and
/// was measured to start before its end.
struct OrderMismatch {
    std::string first;
    std::string second;
};

struct ExecutionComparison {
    std::string experiment;
    std::string executor;  ///< "mpi", "cuda"
    std::string machine;
    std::string compute;        ///< in words: "emulated, times 12 of the experiment's"
    std::string communication;  ///< "real", "emulated"
    std::string costs;          ///< where the prediction's come from
    std::uint32_t ranks = 0;
    std::uint64_t tasks = 0;
    std::uint32_t repetitions = 0;

    ComparedFigure step_time_s;
    ComparedFigure bubble_ratio;
    ComparedFigure bubble_ratio_span;
    ComparedFigure peak_bytes;  ///< of the fullest rank

    std::vector<ComparedGroup> by_kind;   ///< kinds of work
    std::vector<ComparedGroup> by_phase;  ///< of compute tasks
    std::vector<ComparedRank> by_rank;
    std::optional<Parting> parting;
    std::optional<OrderMismatch> mismatch;
    double noticed_late_s = 0;  ///< the longest that a process noticed an emulated end late
};

/// docs/execution.schema.json.
nlohmann::ordered_json to_json(const ExecutionComparison& comparison);

/// Step, bubbles and memory, then kinds, phases and ranks, then the order of tasks; at most `width` columns.
std::string execution_table(const ExecutionComparison& comparison, std::size_t width = kPageWidth);

/// The page of `--out`: figures, tables, and both timelines one above the other on one axis.
std::string execution_page(const ExecutionComparison& comparison, const sim::Program& program,
                           const sim::Timeline& predicted, const sim::Timeline& measured);

/// result.json, report.html and trace.json.gz (of the measured timeline) in the folder, each whole or not at
/// all. Throws InputError when a file cannot be written.
void write_execution(const std::filesystem::path& dir, const ExecutionComparison& comparison,
                     const sim::Program& program, const sim::Timeline& predicted,
                     const sim::Timeline& measured);

}  // namespace orrery::report
