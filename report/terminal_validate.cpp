#include <fmt/format.h>

#include "report/ranking.hpp"
#include "report/terminal.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::string rows_table(const Validation& validation, std::size_t width) {
    Table table({{"run", Align::left, true},
                 {"model", Align::left, true, 1},
                 {"GPUs", Align::right, false, 2},
                 {"predicted", Align::right},
                 {"measured", Align::right},
                 {"error", Align::right}});
    for (const ValidatedRun& run : validation.rows) {
        table.add_row({run.id, run.model, run.gpus > 0 ? grouped(run.gpus) : "",
                       duration(run.predicted_step_time_s), duration(run.measured_step_time_s),
                       signed_percent(run.error())});
    }
    return table.render(width);
}

void add_summary(Table& table, const std::string& name, std::span<const ValidatedRun> rows,
                 std::size_t skipped) {
    const ErrorSummary summary = summarize(rows);
    if (summary.rows == 0) {
        table.add_row({name, "0", std::to_string(skipped), "-", "-", "-", "-", ""});
        return;
    }
    table.add_row({name, std::to_string(summary.rows), std::to_string(skipped), percent(summary.mean_abs),
                   percent(summary.median_abs), percent(summary.max_abs), signed_percent(summary.mean_signed),
                   summary.worst_id});
}

std::string sources_table(const Validation& validation, std::size_t width) {
    Table table({{"absolute error by source", Align::left, true},
                 {"rows", Align::right},
                 {"skipped", Align::right, false, 2},
                 {"mean", Align::right},
                 {"median", Align::right},
                 {"worst", Align::right},
                 {"signed", Align::right},
                 {"worst row", Align::left, false, 1}});
    for (const std::string& source : validation.sources()) {
        std::size_t skipped = 0;
        for (const SkippedRun& run : validation.skipped) skipped += run.source == source ? 1 : 0;
        add_summary(table, source, validation.rows_of(source), skipped);
    }
    table.add_rule();
    add_summary(table, "all", validation.rows, validation.skipped.size());
    return table.render(width);
}

std::string skipped_table(const Validation& validation, std::size_t width) {
    if (validation.skipped.empty()) return "";
    Table table({{"skipped", Align::right}, {"reason", Align::left, true}});
    for (const auto& [reason, count] : validation.skipped_by_reason())
        table.add_row({std::to_string(count), reason});
    return "\n" + table.render(width);
}

/// What else a table of recorded runs may say: memory, and the order of schedules.
std::string memory_line(const Validation& validation) {
    const MemorySummary memory = summarize_memory(validation.rows);
    if (memory.rows == 0) return "";
    return fmt::format("  peak memory, {} rows: mean absolute error {}, signed {}\n", memory.rows,
                       percent(memory.mean_abs), signed_percent(memory.mean_signed));
}

std::string ranking_table(const Validation& validation, std::size_t width) {
    const std::vector<Ranking> ranked = rankings(validation.rows);
    if (ranked.empty()) return "";
    Table table({{"schedules in one setting", Align::left, true},
                 {"pairs", Align::right},
                 {"in order", Align::right},
                 {"tau", Align::right},
                 {"best found", Align::left}});
    const auto add = [&table](const Ranking& each) {
        table.add_row({each.setting, std::to_string(each.pairs), std::to_string(each.in_order),
                       fmt::format("{:.2f}", each.kendall_tau()), each.best_found ? "yes" : "no"});
    };
    for (const Ranking& each : ranked) add(each);
    table.add_rule();
    add(sum_of(ranked));
    return "\n" + table.render(width) +
           "  tau: Kendall's, over the pairs whose measured throughputs differ\n";
}

}  // namespace

std::string validation_table(const Validation& validation, std::size_t width) {
    std::string text;
    if (!validation.rows.empty()) text += rows_table(validation, width) + "\n";
    return text + sources_table(validation, width) + skipped_table(validation, width) +
           "  error = (predicted - measured) / measured step time; signed = their plain mean\n" +
           fmt::format("  mean absolute error of throughput {}\n",
                       percent(summarize(validation.rows).mean_abs_throughput)) +
           memory_line(validation) + ranking_table(validation, width);
}

}  // namespace orrery::report
