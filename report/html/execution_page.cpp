#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/atomic_file.hpp"
#include "report/execution.hpp"
#include "report/gantt.hpp"
#include "report/gantt_difference.hpp"
#include "report/html/page.hpp"
#include "report/json.hpp"
#include "report/trace.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

/// Errors from here on stand out.
constexpr double kLargeError = 0.10;

std::string beside(const ComparedFigure& figure, std::string (*text)(double)) {
    return fmt::format("measured {} ({} to {})", text(figure.measured), text(figure.least),
                       text(figure.most));
}

std::vector<Tile> headline(const ExecutionComparison& c) {
    return {
        {"error of the step time", signed_percent(c.step_time_s.error()),
         fmt::format("predicted {}, {}", duration(c.step_time_s.predicted), beside(c.step_time_s, duration)),
         std::abs(c.step_time_s.error()) > kLargeError},
        {"bubble ratio", percent(c.bubble_ratio.predicted), beside(c.bubble_ratio, percent)},
        {"bubble ratio of the span", percent(c.bubble_ratio_span.predicted),
         beside(c.bubble_ratio_span, percent)},
        {"peak memory", bytes(c.peak_bytes.predicted), beside(c.peak_bytes, bytes)},
        {"order", c.mismatch ? "NOT as simulated" : "as simulated",
         c.mismatch ? c.mismatch->first + " and " + c.mismatch->second : "every task of every rank",
         c.mismatch.has_value()}};
}

Cell number(const std::string& text, double value, const std::string& mark = "") {
    return {text, fmt::format("{:.9g}", value), mark};
}

Cell error_cell(const ComparedFigure& figure) {
    return number(signed_percent(figure.error()), figure.error(),
                  std::abs(figure.error()) > kLargeError ? "bad" : "");
}

std::string groups_html(const std::vector<ComparedGroup>& groups) {
    std::vector<std::vector<Cell>> rows;
    for (const ComparedGroup& group : groups) {
        rows.push_back(
            {{group.name, "", ""},
             number(grouped(static_cast<std::int64_t>(group.tasks)), static_cast<double>(group.tasks)),
             number(duration(group.seconds.predicted), group.seconds.predicted),
             number(duration(group.seconds.measured), group.seconds.measured),
             error_cell(group.seconds),
             number(percent(group.seconds.spread()), group.seconds.spread())});
    }
    return table_html({"", "tasks", "predicted", "measured", "error", "spread"},
                      {false, true, true, true, true, true}, rows, true);
}

std::string ranks_html(const ExecutionComparison& c) {
    std::vector<std::vector<Cell>> rows;
    for (const ComparedRank& rank : c.by_rank) {
        rows.push_back(
            {number(std::to_string(rank.rank), rank.rank), number(std::to_string(rank.stage), rank.stage),
             number(duration(rank.compute_s.predicted), rank.compute_s.predicted),
             number(duration(rank.compute_s.measured), rank.compute_s.measured), error_cell(rank.compute_s),
             number(duration(rank.end_s.predicted), rank.end_s.predicted),
             number(duration(rank.end_s.measured), rank.end_s.measured), error_cell(rank.end_s),
             number(bytes(rank.peak_bytes.measured), rank.peak_bytes.measured), error_cell(rank.peak_bytes)});
    }
    return table_html({"rank", "stage", "busy, predicted", "measured", "error", "last end, predicted",
                       "measured", "error", "peak memory", "error"},
                      std::vector<bool>(10, true), rows, true);
}

std::string parting_text(const ExecutionComparison& c) {
    if (!c.parting) return "No task ends apart from its prediction by more than 2% of the step.";
    const Parting& p = *c.parting;
    return fmt::format(
        "The timelines part (by more than {}) first at {}: predicted {} to {}, measured {} to {}.",
        duration(p.slack_s), p.task, duration(p.predicted_start_s), duration(p.predicted_end_s),
        duration(p.measured_start_s), duration(p.measured_end_s));
}

}  // namespace

std::string execution_page(const ExecutionComparison& c, const sim::Program& program,
                           const sim::Timeline& predicted, const sim::Timeline& measured) {
    Page page(c.experiment + ": predicted and executed",
              fmt::format("{} ranks, {} tasks, executed {} times by {}: {}", c.ranks,
                          grouped(static_cast<std::int64_t>(c.tasks)), c.repetitions, c.executor, c.machine));
    page.html(tiles_html(headline(c)));
    page.html(named_texts_html(
        {{"compute", c.compute}, {"communication", c.communication}, {"predicted with", c.costs}}));
    Gantt above = make_gantt(program, predicted, kMostGanttBoxes / 3);
    Gantt below = make_gantt(program, measured, kMostGanttBoxes / 3);
    Gantt apart = difference_gantt(program, predicted, measured, kMostGanttBoxes / 3);
    above.axis_s = below.axis_s = apart.axis_s = std::max(above.makespan_s, below.makespan_s);
    page.heading("Both timelines");
    page.figure("predicted", "Predicted. Numbers are micro-batches; the pictures have one axis.", above);
    page.figure("measured", "Measured, the repetition with the median step time. " + parting_text(c), below);
    page.figure(
        "difference",
        "The measured timeline again, each task coloured by how long it lasted beside its prediction; "
        "what is off by less than a thousandth of the step counts as predicted.",
        apart);
    page.heading("By kind of work");
    page.html(groups_html(c.by_kind));
    page.heading("Compute by phase");
    page.html(groups_html(c.by_phase));
    page.heading("By rank");
    page.html(ranks_html(c));
    page.data("result", to_json(c));
    return page.str();
}

void write_execution(const std::filesystem::path& dir, const ExecutionComparison& comparison,
                     const sim::Program& program, const sim::Timeline& predicted,
                     const sim::Timeline& measured) {
    const std::string page = execution_page(comparison, program, predicted, measured);
    const std::string json = to_text(to_json(comparison));
    const std::string trace = trace_json_gz(program, measured);
    write_file_atomically(dir / "result.json", json);
    write_file_atomically(dir / "report.html", page);
    write_file_atomically(dir / "trace.json.gz", trace);
}

}  // namespace orrery::report
