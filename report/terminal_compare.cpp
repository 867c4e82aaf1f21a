#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "report/terminal.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

enum class Better { lower, higher, neither };

struct Metric {
    std::string name;
    Better better;
    std::function<double(const Result&)> value;
    std::function<std::string(double)> text;
};

std::string plain(double value) {
    return significant(value, 4);
}

/// Of results of models with experts.
std::vector<Metric> expert_metrics() {
    const auto of = [](const Result& r) { return r.moe.value_or(ExpertResult{}); };
    const auto times = [](double v) { return fmt::format("{:.2f} x", v); };
    return {
        {"dispatch, combine", Better::neither,
         [=](const Result& r) { return of(r).dispatch_s + of(r).combine_s; }, duration},
        {"busiest expert", Better::neither, [=](const Result& r) { return of(r).expert_imbalance; }, times},
        {"busiest rank", Better::neither, [=](const Result& r) { return of(r).rank_imbalance; }, times},
        {"dropped", Better::neither, [=](const Result& r) { return of(r).dropped; }, percent},
    };
}

std::vector<Metric> metrics(double first_step_time_s) {
    return {
        {"GPUs", Better::neither, [](const Result& r) { return static_cast<double>(r.gpus); },
         [](double v) { return grouped(static_cast<std::int64_t>(v)); }},
        {"step time", Better::lower, [](const Result& r) { return r.step_time_s; }, duration},
        {"against first", Better::neither,
         [=](const Result& r) { return r.step_time_s / first_step_time_s - 1; }, signed_percent},
        {"tokens/s", Better::higher, [](const Result& r) { return r.tokens_per_s; }, scaled},
        {"tokens/s per GPU", Better::higher, [](const Result& r) { return r.tokens_per_s_per_gpu; }, scaled},
        {"TFLOP/s per GPU", Better::higher, [](const Result& r) { return r.model_tflops_per_gpu; }, plain},
        {"mfu", Better::higher, [](const Result& r) { return r.mfu; }, percent},
        {"hfu", Better::neither, [](const Result& r) { return r.hfu; }, percent},
        {"bubble ratio", Better::lower, [](const Result& r) { return r.bubble_ratio; }, percent},
        {"bubble, span", Better::lower, [](const Result& r) { return r.bubble_ratio_span; }, percent},
        {"compute", Better::neither, [](const Result& r) { return r.breakdown.compute_s; }, duration},
        {"exposed comm", Better::neither, [](const Result& r) { return r.breakdown.exposed_comm_s.total(); },
         duration},
        {"bubble", Better::neither, [](const Result& r) { return r.breakdown.bubble_s; }, duration},
        {"optimizer", Better::neither, [](const Result& r) { return r.breakdown.optimizer_s; }, duration},
        {"host", Better::neither, [](const Result& r) { return r.breakdown.host_s; }, duration},
        {"peak memory", Better::lower, [](const Result& r) { return r.memory.peak_bytes; }, bytes},
    };
}

/// The best value among the results that fit; NaN (equal to nothing) where none is better than another.
double best_of(const Metric& metric, std::span<const Result> results) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    double best = kNone;
    double worst = kNone;
    for (const Result& result : results) {
        if (metric.better == Better::neither || !result.memory.fits) continue;
        const double value = metric.value(result);
        if (!(metric.better == Better::lower ? value >= best : value <= best)) best = value;
        if (!(metric.better == Better::lower ? value <= worst : value >= worst)) worst = value;
    }
    return best == worst ? kNone : best;
}

std::string block(std::span<const Result> shown, std::span<const Result> all, std::size_t width) {
    std::vector<Column> columns{{"", Align::left}};
    for (const Result& result : shown) columns.push_back({result.experiment, Align::right, true});
    Table table(columns);
    std::vector<Metric> shown_metrics = metrics(all.front().step_time_s);
    if (std::ranges::any_of(all, [](const Result& r) { return r.moe.has_value(); })) {
        for (Metric& metric : expert_metrics()) shown_metrics.push_back(std::move(metric));
    }
    for (const Metric& metric : shown_metrics) {
        const double best = best_of(metric, all);
        std::vector<std::string> cells{metric.name};
        for (const Result& result : shown) {
            const double value = metric.value(result);
            cells.push_back(metric.text(value) + (result.memory.fits && value == best ? " *" : "  "));
        }
        table.add_row(cells);
    }
    std::vector<std::string> fits{"fits"};
    for (const Result& result : shown) fits.push_back(result.memory.fits ? "yes  " : "NO  ");
    table.add_row(fits);
    return table.render(width);
}

}  // namespace

std::string comparison_table(std::span<const Result> results, std::size_t width) {
    if (results.empty()) return "";
    // The widest cell that does not wrap is "1.23 GiB *": at least 12 columns each, and 16 for the metrics.
    constexpr std::size_t kMetric = 20;
    constexpr std::size_t kEach = 15;
    const std::size_t fitting = width > kMetric + kEach ? (width - kMetric) / kEach : 1;
    const std::size_t blocks = (results.size() + fitting - 1) / fitting;
    const std::size_t each = (results.size() + blocks - 1) / blocks;
    std::string text;
    for (std::size_t first = 0; first < results.size(); first += each) {
        if (first > 0) text += "\n";
        text += block(results.subspan(first, std::min(each, results.size() - first)), results, width);
    }
    return text + "  * best of those that fit into memory\n";
}

}  // namespace orrery::report
