#include <fmt/format.h>

#include <algorithm>

#include "report/execution.hpp"
#include "report/table.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr std::size_t kMostRanks = 16;

std::string points(double difference) {
    return fmt::format("{:+.1f} pp", 100 * difference);
}

std::string range(const ComparedFigure& figure, std::string (*text)(double)) {
    return text(figure.least) + " to " + text(figure.most);
}

std::string headline(const ExecutionComparison& c, std::size_t width) {
    Table table({{"", Align::left, true},
                 {"predicted", Align::right},
                 {"measured", Align::right},
                 {"error", Align::right},
                 {"repetitions", Align::right, false, 1}});
    table.add_row({"step time", duration(c.step_time_s.predicted), duration(c.step_time_s.measured),
                   signed_percent(c.step_time_s.error()), range(c.step_time_s, duration)});
    const auto ratio = [&table](const char* name, const ComparedFigure& figure) {
        table.add_row({name, percent(figure.predicted), percent(figure.measured), points(figure.difference()),
                       range(figure, percent)});
    };
    ratio("bubble ratio", c.bubble_ratio);
    ratio("bubble ratio of the span", c.bubble_ratio_span);
    table.add_row({"peak memory", bytes(c.peak_bytes.predicted), bytes(c.peak_bytes.measured),
                   signed_percent(c.peak_bytes.error()), range(c.peak_bytes, bytes)});
    return table.render(width);
}

std::string groups(const char* title, const std::vector<ComparedGroup>& all, std::size_t width) {
    if (all.empty()) return "";
    Table table({{title, Align::left, true},
                 {"tasks", Align::right, false, 2},
                 {"predicted", Align::right},
                 {"measured", Align::right},
                 {"error", Align::right},
                 {"spread", Align::right, false, 1}});
    for (const ComparedGroup& group : all) {
        table.add_row({group.name, grouped(static_cast<std::int64_t>(group.tasks)),
                       duration(group.seconds.predicted), duration(group.seconds.measured),
                       signed_percent(group.seconds.error()), percent(group.seconds.spread())});
    }
    return "\n" + table.render(width);
}

std::string ranks(const ExecutionComparison& c, std::size_t width) {
    Table table({{"rank", Align::right},
                 {"stage", Align::right, false, 2},
                 {"busy", Align::right},
                 {"error", Align::right},
                 {"last end", Align::right},
                 {"error", Align::right},
                 {"peak memory", Align::right, false, 1},
                 {"error", Align::right, false, 1}});
    for (const ComparedRank& rank : c.by_rank) {
        if (rank.rank >= kMostRanks) break;
        table.add_row({std::to_string(rank.rank), std::to_string(rank.stage),
                       duration(rank.compute_s.measured), signed_percent(rank.compute_s.error()),
                       duration(rank.end_s.measured), signed_percent(rank.end_s.error()),
                       bytes(rank.peak_bytes.measured), signed_percent(rank.peak_bytes.error())});
    }
    std::string text = "\n" + table.render(width);
    if (c.by_rank.size() > kMostRanks)
        text += fmt::format("  {} ranks more in --json and in the report\n", c.by_rank.size() - kMostRanks);
    return text;
}

std::string wrapped(const std::string& text, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (column == 0) {
            out += "  ";
            column = 2;
        } else if (column + 1 + word.size() > width) {
            out += "\n    ";
            column = 4;
        } else {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        begin = end + 1;
    }
    return out + "\n";
}

std::string order_lines(const ExecutionComparison& c, std::size_t width) {
    std::string text =
        c.mismatch ? wrapped(fmt::format("order: NOT as simulated: {} was to end before {}, and did not",
                                         c.mismatch->first, c.mismatch->second),
                             width)
                   : wrapped("order: every task in the simulated order", width);
    if (c.parting) {
        const Parting& p = *c.parting;
        text += wrapped(fmt::format("timelines part (by more than {}) first at {}: predicted {} to {}, "
                                    "measured {} to {}",
                                    duration(p.slack_s), p.task, duration(p.predicted_start_s),
                                    duration(p.predicted_end_s), duration(p.measured_start_s),
                                    duration(p.measured_end_s)),
                        width);
    } else {
        text +=
            wrapped("timelines: no task ends apart from its prediction by more than 2% of the step", width);
    }
    return text;
}

}  // namespace

std::string execution_table(const ExecutionComparison& c, std::size_t width) {
    std::string text = c.experiment + "\n";
    text += wrapped(
        fmt::format("{} ranks, {} tasks, executed {} times by {}: {}", c.ranks,
                    grouped(static_cast<std::int64_t>(c.tasks)), c.repetitions, c.executor, c.machine),
        width);
    text += wrapped("compute: " + c.compute, width) + wrapped("communication: " + c.communication, width) +
            wrapped("predicted with: " + c.costs, width) + "\n";
    text += headline(c, width) + groups("by kind of work", c.by_kind, width) +
            groups("compute by phase", c.by_phase, width) + ranks(c, width) + "\n" + order_lines(c, width);
    if (c.noticed_late_s > 0)
        text += wrapped(
            "processes noticed the end of emulated work at most " + duration(c.noticed_late_s) + " late",
            width);
    return text + "  error = (predicted - measured) / measured, of medians; pp: percentage points\n";
}

}  // namespace orrery::report
