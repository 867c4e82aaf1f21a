#include <fmt/format.h>

#include <algorithm>

#include "report/html/pages.hpp"
#include "report/html/result_charts.hpp"
#include "report/html/time_memory_picture.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

Cell number(const std::string& text, double value, bool best = false) {
    return {text, fmt::format("{:.9g}", value), best ? "best" : ""};
}

/// The fastest of those that fit; runs.size() when none does.
std::size_t fastest(std::span<const ComparedRun> runs) {
    std::size_t best = runs.size();
    for (std::size_t i = 0; i < runs.size(); ++i) {
        if (!runs[i].result.memory.fits) continue;
        if (best == runs.size() || runs[i].result.step_time_s < runs[best].result.step_time_s) best = i;
    }
    return best;
}

std::string comparison_table_html(std::span<const ComparedRun> runs) {
    const std::size_t best = fastest(runs);
    std::vector<std::vector<Cell>> rows;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Result& r = runs[i].result;
        const double change = r.step_time_s / runs.front().result.step_time_s - 1;
        rows.push_back(
            {{r.experiment, "", ""},
             number(grouped(r.gpus), static_cast<double>(r.gpus)),
             number(duration(r.step_time_s), r.step_time_s, i == best),
             number(signed_percent(change), change),
             number(scaled(r.tokens_per_s_per_gpu), r.tokens_per_s_per_gpu),
             number(significant(r.model_tflops_per_gpu, 4), r.model_tflops_per_gpu),
             number(percent(r.mfu), r.mfu),
             number(percent(r.bubble_ratio), r.bubble_ratio),
             number(duration(r.breakdown.exposed_comm_s.total()), r.breakdown.exposed_comm_s.total()),
             number(bytes(r.memory.peak_bytes), r.memory.peak_bytes),
             {r.memory.fits ? "yes" : "NO", "", r.memory.fits ? "" : "bad"}});
    }
    return table_html({"experiment", "GPUs", "step time", "against first", "tokens/s per GPU",
                       "TFLOP/s per GPU", "mfu", "bubble ratio", "exposed comm", "peak memory", "fits"},
                      {false, true, true, true, true, true, true, true, true, true, false}, rows, true);
}

void bar_sections(Page& page, std::span<const ComparedRun> runs) {
    std::vector<std::string> labels;
    std::vector<Breakdown> breakdowns;
    std::vector<BytesByKind> memories;
    double capacity = runs.front().result.memory.capacity_bytes;
    for (const ComparedRun& run : runs) {
        labels.push_back(run.result.experiment);
        breakdowns.push_back(run.result.breakdown);
        memories.push_back(run.result.memory.by_kind_bytes);
        if (run.result.memory.capacity_bytes != capacity) capacity = 0;  // no common line
    }
    page.heading("Where the time goes");
    page.figure("time", "Seconds of one step on the busiest rank's compute stream.",
                time_chart(labels, breakdowns));
    page.heading("Memory");
    page.figure("memory", "What is alive at the peak of the fullest rank, by kind.",
                memory_chart(labels, memories, capacity));
}

void gantt_section(Page& page, std::span<const ComparedRun> runs) {
    double longest = 0;
    for (const ComparedRun& run : runs) longest = std::max(longest, run.gantt ? run.gantt->makespan_s : 0);
    if (longest == 0) return;
    page.heading("The steps, on one time axis");
    for (std::size_t i = 0; i < runs.size(); ++i) {
        if (!runs[i].gantt) continue;
        Gantt gantt = *runs[i].gantt;
        gantt.axis_s = longest;
        page.figure(fmt::format("gantt{}", i), runs[i].result.experiment + ", " + duration(gantt.makespan_s),
                    gantt);
        if (!gantt.notes.empty()) page.html(list_html(gantt.notes));
    }
}

}  // namespace

std::string comparison_page(std::span<const ComparedRun> runs, Drawing drawing) {
    Page page("Comparison", fmt::format("{} experiments", runs.size()), drawing);
    if (runs.empty()) return page.str();
    page.html(comparison_table_html(runs));
    if (runs.size() > 2) {
        std::vector<Result> results;
        for (const ComparedRun& run : runs) results.push_back(run.result);
        page.heading("Time and memory");
        page.html("<figure>" + time_memory_picture(results) + "</figure>");
    }
    bar_sections(page, runs);
    gantt_section(page, runs);
    page.heading("What the numbers mean");
    page.html(named_texts_html({{"step time", words::kStepTime},
                                {"mfu", words::kMfu},
                                {"FLOP formula", runs.front().result.flop_formula},
                                {"bubble ratio", words::kBubbleRatio},
                                {"peak memory", words::kPeakMemory}}));
    Json results = Json::array();
    for (const ComparedRun& run : runs) {
        results.push_back(to_json(run.result));
        if (run.result.notes.empty()) continue;
        page.heading("Notes on " + run.result.experiment);
        page.html(list_html(run.result.notes));
    }
    page.data("results", std::move(results));
    return page.str();
}

}  // namespace orrery::report
