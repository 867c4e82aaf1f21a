#include <fmt/format.h>

#include "report/html/link_heat_map.hpp"
#include "report/html/memory_picture.hpp"
#include "report/html/pages.hpp"
#include "report/html/result_charts.hpp"
#include "report/html/svg.hpp"
#include "report/kernel_words.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::vector<Tile> headline(const Result& result) {
    const Memory& memory = result.memory;
    return {
        {"step time", duration(result.step_time_s), words::kStepTime},
        {"tokens per second", scaled(result.tokens_per_s),
         fmt::format("{} per GPU; {}", scaled(result.tokens_per_s_per_gpu), words::kTokens)},
        {"model FLOP/s per GPU", significant(result.model_tflops_per_gpu, 4) + " TFLOP/s",
         result.flop_formula.empty() ? "without recomputation" : result.flop_formula},
        {"mfu", percent(result.mfu), words::kMfu},
        {"hfu", percent(result.hfu), words::kHfu},
        {"bubble ratio", percent(result.bubble_ratio), words::kBubbleRatio},
        {"bubble ratio of the span", percent(result.bubble_ratio_span), words::kBubbleRatioSpan},
        {"bubble overhead", percent(result.bubble_overhead), words::kBubbleOverhead},
        {"peak memory", bytes(memory.peak_bytes),
         fmt::format("{}; rank {}, {} of {} a GPU{}", words::kPeakMemory, memory.peak_rank,
                     percent(memory.capacity_bytes > 0 ? memory.peak_bytes / memory.capacity_bytes : 0),
                     bytes(memory.capacity_bytes), memory.fits ? "" : ": DOES NOT FIT"),
         !memory.fits},
    };
}

void kernels_table(Page& page, const Result& result) {
    const double whole = kernel_seconds(result);
    if (whole <= 0) return;
    std::vector<std::vector<Cell>> rows;
    for (const KernelUse& use : result.kernels)
        rows.push_back({{family_in_words(use), "", ""},
                        {std::string(sim::to_string(use.phase)), "", ""},
                        {grouped(static_cast<std::int64_t>(use.kernels)), std::to_string(use.kernels), ""},
                        {duration(use.seconds), fmt::format("{}", use.seconds), ""},
                        {percent(use.seconds / whole), fmt::format("{}", use.seconds / whole), ""},
                        {reached(use), "", ""}});
    page.html(table_html({"kernels of the busiest rank", "phase", "number", "time", "share", "reached"},
                         {false, false, true, true, true, true}, rows));
}

void time_section(Page& page, const Result& result) {
    std::vector<std::string> labels;
    std::vector<Breakdown> breakdowns;
    if (result.per_stage.size() != 1) {
        labels.emplace_back("busiest rank");
        breakdowns.push_back(result.breakdown);
    }
    for (const StageResult& stage : result.per_stage) {
        labels.push_back(fmt::format("stage {} ({} layers)", stage.stage, stage.layers));
        breakdowns.push_back(stage.breakdown);
    }
    page.heading("Where the time goes");
    page.figure("time",
                "Seconds of one step on the compute stream of each pipeline stage; communication only as far "
                "as it held up compute.",
                time_chart(labels, breakdowns));
    kernels_table(page, result);
}

void memory_section(Page& page, const Result& result, const MemoryOverTime& over_time) {
    std::vector<std::string> labels;
    std::vector<BytesByKind> memories;
    for (const StageResult& stage : result.per_stage) {
        labels.push_back(fmt::format("stage {}", stage.stage));
        memories.push_back(stage.peak_by_kind_bytes);
    }
    if (labels.empty()) {
        labels.push_back(fmt::format("rank {}", result.memory.peak_rank));
        memories.push_back(result.memory.by_kind_bytes);
    }
    page.heading("Memory");
    page.figure("memory", "What is alive on a GPU of each stage at its peak, by kind, against its capacity.",
                memory_chart(labels, memories, result.memory.capacity_bytes));
    if (over_time.ranks.empty()) return;
    page.html(
        "<figure id=\"memory-over-time\"><figcaption>What a GPU of each stage holds over the step, by "
        "kind. " +
        escaped(over_time.note) + "</figcaption>" + memory_picture(over_time) + "</figure>");
}

std::string named_share(const std::vector<double>& shares, double imbalance, double worst) {
    return fmt::format("{:.2f} x the mean of {} ({:.2f} x in the worst gating)", imbalance, shares.size(),
                       worst);
}

void experts_section(Page& page, const ExpertResult& moe) {
    page.heading("Experts");
    page.html(named_texts_html({
        {"routing", moe.routing},
        {"dispatch", duration(moe.dispatch_s) + " of the step: copies of tokens to their experts"},
        {"combine", duration(moe.combine_s) + " of the step: and back"},
        {"busiest expert", named_share(moe.expert_share, moe.expert_imbalance, moe.worst_expert_imbalance)},
        {"busiest rank", named_share(moe.rank_share, moe.rank_imbalance, moe.worst_rank_imbalance)},
        {"dropped", percent(moe.dropped) + " of all copies"},
    }));
}

/// Which algorithm and protocol carried out each kind of collective.
void collectives_table(Page& page, const NetworkResult& network) {
    std::vector<std::vector<Cell>> rows;
    for (const CollectiveUse& use : network.collectives)
        rows.push_back({{use.kind, "", ""},
                        {use.algorithm + (use.forced ? " (forced)" : ""), "", ""},
                        {use.protocol.empty() ? "-" : use.protocol, "", ""},
                        {scaled(use.operations), fmt::format("{}", use.operations), ""},
                        {bytes(use.buffer_bytes), fmt::format("{}", use.buffer_bytes), ""}});
    if (rows.empty()) return;
    page.html(table_html({"collective", "algorithm", "protocol", "times in the step", "buffers together"},
                         {false, false, false, true, true}, rows));
}

void network_section(Page& page, const NetworkResult& network) {
    page.heading("The network");
    collectives_table(page, network);
    if (network.hottest.empty()) return;
    page.html(
        "<figure><figcaption>How busy the links were: the busiest of each tier over the step. Links that "
        "were busy alike are one row.</figcaption>" +
        link_heat_map(network) + "</figure>");
    if (!network.picture.empty())
        page.html(
            "<figure><figcaption>The cluster, each cable in the shade of its busier direction, by its use "
            "over the whole step, relative to the busiest of its sort. Drawn are the parts at the busiest "
            "links; point at a cable for its bytes."
            "</figcaption>" +
            network.picture + "</figure>");
    std::vector<std::vector<Cell>> rows;
    for (const CollectiveBytes& kind : network.by_kind)
        rows.push_back({{kind.kind, "", ""},
                        {bytes(kind.node_bytes), fmt::format("{}", kind.node_bytes), ""},
                        {bytes(kind.network_bytes), fmt::format("{}", kind.network_bytes), ""}});
    page.html(
        table_html({"bytes of", "over links inside nodes", "between nodes"}, {false, true, true}, rows));
}

void goodput_section(Page& page, const Goodput& g) {
    page.heading("Failures and checkpoints");
    page.html(named_texts_html({
        {"job's mean time between failures", duration(g.mtbf_s)},
        {"checkpoint",
         fmt::format("{} in {}, every {} ({} steps; Young {}, Daly {})", bytes(g.checkpoint_bytes),
                     duration(g.checkpoint_s), duration(g.interval_s), grouped(g.interval_steps),
                     duration(g.young_interval_s), duration(g.daly_interval_s))},
        {"goodput", fmt::format("{} of wall-clock time in expectation: {} tokens/s", percent(g.expected),
                                scaled(g.tokens_per_s))},
        {"simulated", fmt::format("{} through {} failures: {} trained again, {} written, {} restarted",
                                  percent(g.simulated), grouped(g.failures), percent(g.lost),
                                  percent(g.written), percent(g.restarted))},
    }));
}

std::string simulated(const SimulationInfo& simulation) {
    std::string text = grouped(static_cast<std::int64_t>(simulation.tasks)) + " tasks simulated";
    if (simulation.wall_s) text += " in " + duration(*simulation.wall_s);
    if (simulation.tasks_per_s) text += fmt::format(" ({} tasks/s)", scaled(*simulation.tasks_per_s));
    return text;
}

}  // namespace

Page run_content(const Result& result, const Gantt& gantt, const MemoryOverTime& memory, Drawing drawing) {
    Page page(result.experiment,
              fmt::format("{} GPUs, engine {}, calibration {}; {}", grouped(result.gpus), result.engine,
                          result.calibration, simulated(result.simulation)),
              drawing);
    page.html(tiles_html(headline(result)));
    page.heading("The step");
    page.figure("gantt",
                "Each pipeline stage's compute stream with its communication streams below it; numbers are "
                "micro-batches.",
                gantt);
    if (!gantt.notes.empty()) page.html(list_html(gantt.notes));
    time_section(page, result);
    memory_section(page, result, memory);
    if (result.moe) experts_section(page, *result.moe);
    if (result.network) network_section(page, *result.network);
    if (result.goodput) goodput_section(page, *result.goodput);
    if (!result.plan.empty()) {
        page.heading("The plan");
        page.html(named_texts_html(result.plan));
    }
    if (!result.notes.empty()) {
        page.heading("Notes");
        page.html(list_html(result.notes));
    }
    if (!result.sources.empty()) {
        page.heading("Sources");
        page.html(named_texts_html(result.sources));
    }
    page.data("result", to_json(result));
    return page;
}

std::string run_page(const Result& result, const Gantt& gantt, const MemoryOverTime& memory,
                     Drawing drawing) {
    return run_content(result, gantt, memory, drawing).str();
}

}  // namespace orrery::report
