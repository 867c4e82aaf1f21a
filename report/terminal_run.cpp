#include <fmt/format.h>

#include "report/kernel_words.hpp"
#include "report/memory_words.hpp"
#include "report/terminal.hpp"
#include "report/text_width.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::string paragraph(const std::string& text, std::size_t width, const std::string& first = "",
                      std::size_t indent = 0) {
    std::string lines;
    const std::string margin(indent, ' ');
    const auto wrapped = wrap(printable(text), width > indent ? width - indent : 2);
    for (std::size_t i = 0; i < wrapped.size(); ++i)
        lines += (i == 0 ? first + margin.substr(first.size()) : margin) + wrapped[i] + "\n";
    return lines;
}

std::string headline(const Result& result, std::size_t width) {
    Table table({{"", Align::left}, {"", Align::right}, {"", Align::left, true}});
    table.add_row({"step time", duration(result.step_time_s), words::kStepTime});
    table.add_row({"tokens/s", scaled(result.tokens_per_s),
                   fmt::format("{} per GPU; {}", scaled(result.tokens_per_s_per_gpu), words::kTokens)});
    table.add_row({"TFLOP/s per GPU", significant(result.model_tflops_per_gpu, 4), result.flop_formula});
    table.add_row({"mfu", percent(result.mfu), words::kMfu});
    table.add_row({"hfu", percent(result.hfu), words::kHfu});
    table.add_row({"bubble ratio", percent(result.bubble_ratio), words::kBubbleRatio});
    table.add_row({"  of the span", percent(result.bubble_ratio_span), words::kBubbleRatioSpan});
    table.add_row({"  overhead", percent(result.bubble_overhead), words::kBubbleOverhead});
    table.add_row(
        {"peak memory", bytes(result.memory.peak_bytes),
         fmt::format("on rank {}, of {} a GPU: {}", result.memory.peak_rank,
                     bytes(result.memory.capacity_bytes), result.memory.fits ? "fits" : "DOES NOT FIT")});
    return table.render(width);
}

std::string where_the_time_goes(const Result& result, std::size_t width) {
    const Breakdown& parts = result.breakdown;
    const double whole = parts.total();
    constexpr std::size_t kBarWidth = 30;
    Table table({{"where the time goes", Align::left},
                 {"time", Align::right},
                 {"share", Align::right},
                 {"", Align::left, false, 1}});
    const auto add = [&](const std::string& name, double seconds) {
        if (seconds == 0) return;
        const double share = whole > 0 ? seconds / whole : 0;
        table.add_row({name, duration(seconds), percent(share), bar(share, kBarWidth)});
    };
    add("compute", parts.compute_s);
    add("exposed comm, tensor parallel", parts.exposed_comm_s.tp);
    add("exposed comm, pipeline", parts.exposed_comm_s.pp);
    add("exposed comm, data parallel", parts.exposed_comm_s.dp);
    add("exposed comm, context parallel", parts.exposed_comm_s.cp);
    add("exposed comm, expert parallel", parts.exposed_comm_s.ep);
    add("exposed copies to and from host", parts.exposed_copy_s);
    add("pipeline bubble", parts.bubble_s);
    add("optimizer", parts.optimizer_s);
    add("waiting for the host", parts.host_s);
    return table.empty() ? "" : "\n" + table.render(width);
}

/// The families that take a hundredth of the kernels' time or more, and the others together.
std::string kernels(const Result& result, std::size_t width) {
    const double whole = kernel_seconds(result);
    if (whole <= 0) return "";
    Table table({{"kernels of the busiest rank", Align::left},
                 {"", Align::left},
                 {"number", Align::right, false, 2},
                 {"time", Align::right},
                 {"share", Align::right},
                 {"reached", Align::right, false, 1}});
    KernelUse others;
    for (const KernelUse& use : result.kernels) {
        if (use.seconds < whole / 100) {
            others.kernels += use.kernels;
            others.seconds += use.seconds;
            continue;
        }
        table.add_row({family_in_words(use), std::string(sim::to_string(use.phase)),
                       grouped(static_cast<std::int64_t>(use.kernels)), duration(use.seconds),
                       percent(use.seconds / whole), reached(use)});
    }
    if (others.kernels > 0)
        table.add_row({"others", "", grouped(static_cast<std::int64_t>(others.kernels)),
                       duration(others.seconds), percent(others.seconds / whole), ""});
    return "\n" + table.render(width);
}

std::string memory_by_kind(const Result& result, std::size_t width) {
    constexpr std::size_t kBarWidth = 30;
    Table table({{"memory at the peak", Align::left},
                 {"size", Align::right},
                 {"of a GPU", Align::right},
                 {"", Align::left, false, 1}});
    for (std::size_t kind = 0; kind < result.memory.by_kind_bytes.size(); ++kind) {
        const double size = result.memory.by_kind_bytes[kind];
        if (size == 0) continue;
        const double share = result.memory.capacity_bytes > 0 ? size / result.memory.capacity_bytes : 0;
        table.add_row({memory_kind_name(kind), bytes(size), percent(share), bar(share, kBarWidth)});
    }
    return table.empty() ? "" : "\n" + table.render(width);
}

std::string stage_table(const Result& result, std::size_t width) {
    if (result.per_stage.size() < 2) return "";
    Table table({{"stage", Align::right},
                 {"layers", Align::right},
                 {"compute", Align::right},
                 {"exposed comm", Align::right},
                 {"bubble", Align::right},
                 {"optimizer", Align::right, false, 2},
                 {"host", Align::right, false, 1},
                 {"peak memory", Align::right}});
    for (const StageResult& stage : result.per_stage) {
        const Breakdown& parts = stage.breakdown;
        table.add_row({std::to_string(stage.stage), std::to_string(stage.layers), duration(parts.compute_s),
                       duration(parts.exposed_comm_s.total()), duration(parts.bubble_s),
                       duration(parts.optimizer_s), duration(parts.host_s),
                       bytes(total_bytes(stage.peak_by_kind_bytes))});
    }
    return "\n" + table.render(width);
}

std::string experts(const Result& result, std::size_t width) {
    if (!result.moe) return "";
    const ExpertResult& moe = *result.moe;
    Table table({{"experts", Align::left}, {"", Align::right}, {"", Align::left, true}});
    table.add_row(
        {"dispatch", duration(moe.dispatch_s), "copies of tokens to their experts, the whole step"});
    table.add_row({"combine", duration(moe.combine_s), "and back"});
    table.add_row({"busiest expert", fmt::format("{:.2f} x", moe.expert_imbalance),
                   fmt::format("the mean; {:.2f} x in the worst gating", moe.worst_expert_imbalance)});
    table.add_row({"busiest rank", fmt::format("{:.2f} x", moe.rank_imbalance),
                   fmt::format("the mean; {:.2f} x in the worst gating", moe.worst_rank_imbalance)});
    table.add_row({"dropped", percent(moe.dropped), "of all copies"});
    return "\n" + table.render(width);
}

std::string network(const Result& result, std::size_t width) {
    constexpr std::size_t kLinkBarWidth = 25;
    if (!result.network || result.network->hottest.empty()) return "";
    Table table(
        {{"busiest links", Align::left}, {"alike", Align::right}, {"busy", Align::right}, {"", Align::left}});
    for (const char* tier : {"network", "node", "host"}) {
        int lines = 0;
        for (const LinkResult& link : result.network->hottest) {
            if (link.tier != tier || ++lines > 3) continue;
            table.add_row({link.name, link.links > 1 ? grouped(link.links) : "", percent(link.utilisation),
                           bar(link.utilisation, kLinkBarWidth)});
        }
    }
    std::string carried;
    for (const auto& [tier, sum] : result.network->bytes_by_tier)
        carried += fmt::format("{}{} {}", carried.empty() ? "" : ", ",
                               tier == "network" ? "between nodes"
                               : tier == "host"  ? "to and from hosts"
                                                 : "inside nodes",
                               bytes(sum));
    return "\n" + table.render(width) +
           (carried.empty() ? "" : paragraph("carried in the step: " + carried, width, "  ", 2));
}

std::string goodput(const Result& result, std::size_t width) {
    if (!result.goodput) return "";
    const Goodput& g = *result.goodput;
    Table table({{"failures and checkpoints", Align::left}, {"", Align::right}, {"", Align::left, true}});
    table.add_row({"job's MTBF", duration(g.mtbf_s), "of all parts together"});
    table.add_row({"checkpoint", duration(g.checkpoint_s), bytes(g.checkpoint_bytes)});
    table.add_row({"every", duration(g.interval_s),
                   fmt::format("{} steps; Young's optimum {}, Daly's {}", grouped(g.interval_steps),
                               duration(g.young_interval_s), duration(g.daly_interval_s))});
    table.add_row({"goodput", percent(g.expected),
                   fmt::format("training over wall-clock time (Daly): {} tokens/s", scaled(g.tokens_per_s))});
    table.add_row({"  simulated", percent(g.simulated),
                   fmt::format("{} failures: {} trained again, {} written, {} restarted", grouped(g.failures),
                               percent(g.lost), percent(g.written), percent(g.restarted))});
    return "\n" + table.render(width);
}

std::string notes(const Result& result, std::size_t width) {
    if (result.notes.empty()) return "";
    std::string text = "\n  notes\n";
    for (const std::string& note : result.notes) text += paragraph(note, width, "  - ", 4);
    return text;
}

}  // namespace

std::string run_summary(const Result& result, std::size_t width) {
    std::string text = paragraph(result.experiment, width);
    text += paragraph(fmt::format("{} GPUs, engine {}, calibration {}", grouped(result.gpus), result.engine,
                                  result.calibration),
                      width);
    std::string plan;
    for (const auto& [name, value] : result.plan)
        plan += fmt::format("{}{} {}", plan.empty() ? "" : ", ", name, value);
    if (!plan.empty()) text += paragraph(plan, width);
    text += "\n" + headline(result, width) + where_the_time_goes(result, width) + kernels(result, width) +
            experts(result, width) + memory_by_kind(result, width) + stage_table(result, width) +
            network(result, width) + goodput(result, width) + notes(result, width);
    text +=
        fmt::format("\n  simulated {} tasks", grouped(static_cast<std::int64_t>(result.simulation.tasks)));
    if (result.simulation.wall_s) text += " in " + duration(*result.simulation.wall_s);
    if (result.simulation.tasks_per_s)
        text += fmt::format(" ({} tasks/s)", scaled(*result.simulation.tasks_per_s));
    return text + "\n";
}

}  // namespace orrery::report
