#include "report/json.hpp"

#include "report/ranking.hpp"

namespace orrery::report {
namespace {

Json to_json(const BytesByKind& by_kind) {
    Json json = Json::object();
    for (std::size_t kind = 0; kind < by_kind.size(); ++kind) {
        json[std::string(sim::to_string(static_cast<sim::MemoryKind>(kind)))] = by_kind[kind];
    }
    return json;
}

Json to_json(const ExposedCommunication& exposed) {
    return {
        {"tp", exposed.tp}, {"pp", exposed.pp}, {"dp", exposed.dp}, {"cp", exposed.cp}, {"ep", exposed.ep}};
}

void add(Json& json, const Breakdown& breakdown) {
    json["compute_s"] = breakdown.compute_s;
    json["exposed_comm_s"] = to_json(breakdown.exposed_comm_s);
    json["exposed_copy_s"] = breakdown.exposed_copy_s;
    json["bubble_s"] = breakdown.bubble_s;
    json["optimizer_s"] = breakdown.optimizer_s;
    json["host_s"] = breakdown.host_s;
}

Json to_json(const KernelUse& use) {
    Json json;
    json["family"] = use.family;
    json["phase"] = sim::to_string(use.phase);
    json["kernels"] = use.kernels;
    json["time_s"] = use.seconds;
    json["flops"] = use.flops;
    json["bytes"] = use.bytes;
    return json;
}

Json to_json(const Memory& memory) {
    Json json;
    json["peak_bytes"] = memory.peak_bytes;
    json["peak_rank"] = memory.peak_rank;
    json["capacity_bytes"] = memory.capacity_bytes;
    json["fits"] = memory.fits;
    json["by_kind"] = to_json(memory.by_kind_bytes);
    return json;
}

Json to_json(const StageResult& stage) {
    Json json;
    json["stage"] = stage.stage;
    json["layers"] = stage.layers;
    add(json, stage.breakdown);
    json["peak_bytes"] = total_bytes(stage.peak_by_kind_bytes);
    json["by_kind"] = to_json(stage.peak_by_kind_bytes);
    return json;
}

Json to_json(const ExpertResult& moe) {
    Json json;
    json["routing"] = moe.routing;
    json["dispatch_s"] = moe.dispatch_s;
    json["combine_s"] = moe.combine_s;
    json["expert_imbalance"] = moe.expert_imbalance;
    json["worst_expert_imbalance"] = moe.worst_expert_imbalance;
    json["rank_imbalance"] = moe.rank_imbalance;
    json["worst_rank_imbalance"] = moe.worst_rank_imbalance;
    json["dropped"] = moe.dropped;
    json["expert_share"] = moe.expert_share;
    json["rank_share"] = moe.rank_share;
    return json;
}

Json to_json(const Goodput& goodput) {
    Json json;
    json["mtbf_s"] = goodput.mtbf_s;
    json["checkpoint_bytes"] = goodput.checkpoint_bytes;
    json["checkpoint_s"] = goodput.checkpoint_s;
    json["young_interval_s"] = goodput.young_interval_s;
    json["daly_interval_s"] = goodput.daly_interval_s;
    json["interval_s"] = goodput.interval_s;
    json["interval_steps"] = goodput.interval_steps;
    json["expected"] = goodput.expected;
    json["simulated"] = goodput.simulated;
    json["lost"] = goodput.lost;
    json["written"] = goodput.written;
    json["restarted"] = goodput.restarted;
    json["failures"] = goodput.failures;
    json["tokens_per_s"] = goodput.tokens_per_s;
    return json;
}

Json to_json(const SimulationInfo& simulation) {
    Json json;
    json["tasks"] = simulation.tasks;
    if (simulation.wall_s) json["wall_s"] = *simulation.wall_s;
    if (simulation.tasks_per_s) json["tasks_per_s"] = *simulation.tasks_per_s;
    return json;
}

Json to_json(const std::vector<NamedText>& lines) {
    Json json = Json::array();
    for (const auto& [name, text] : lines) json.push_back({{"name", name}, {"value", text}});
    return json;
}

Json to_json(const NetworkResult& network) {
    Json json;
    json["bytes_by_tier"] = Json::object();
    for (const auto& [tier, bytes] : network.bytes_by_tier) json["bytes_by_tier"][tier] = bytes;
    json["by_kind"] = Json::object();
    for (const CollectiveBytes& kind : network.by_kind)
        json["by_kind"][kind.kind] = {{"node_bytes", kind.node_bytes}, {"network_bytes", kind.network_bytes}};
    json["collectives"] = Json::array();
    for (const CollectiveUse& use : network.collectives)
        json["collectives"].push_back({{"kind", use.kind},
                                       {"algorithm", use.algorithm},
                                       {"protocol", use.protocol},
                                       {"forced", use.forced},
                                       {"operations", use.operations},
                                       {"buffer_bytes", use.buffer_bytes}});
    json["hottest_links"] = Json::array();
    for (const LinkResult& link : network.hottest)
        json["hottest_links"].push_back({{"name", link.name},
                                         {"tier", link.tier},
                                         {"links", link.links},
                                         {"bytes", link.bytes},
                                         {"utilisation", link.utilisation},
                                         {"over_time", link.over_time}});
    json["slice_s"] = network.slice_s;
    return json;
}

Json errors_json(std::span<const ValidatedRun> rows, const std::map<std::string, std::size_t>& skipped) {
    const ErrorSummary summary = summarize(rows);
    Json json;
    json["runs_compared"] = summary.rows;
    json["runs_skipped"] = Json::object();
    for (const auto& [reason, count] : skipped) json["runs_skipped"][reason] = count;
    json["mean_abs_error"] = summary.mean_abs;
    json["median_abs_error"] = summary.median_abs;
    json["max_abs_error"] = summary.max_abs;
    json["mean_signed_error"] = summary.mean_signed;
    json["mean_abs_throughput_error"] = summary.mean_abs_throughput;
    const MemorySummary memory = summarize_memory(rows);
    if (memory.rows > 0) {
        json["memory"] = {{"runs_compared", memory.rows},
                          {"mean_abs_error", memory.mean_abs},
                          {"mean_signed_error", memory.mean_signed}};
    }
    return json;
}

Json to_json(const ValidatedRun& run) {
    Json json{{"id", run.id},
              {"source", run.source},
              {"model", run.model},
              {"gpus", run.gpus},
              {"predicted_step_time_s", run.predicted_step_time_s},
              {"measured_step_time_s", run.measured_step_time_s},
              {"error", run.error()}};
    if (!run.schedule.empty()) json["schedule"] = run.schedule;
    if (!run.setting.empty()) json["setting"] = run.setting;
    if (run.has_memory()) {
        json["predicted_peak_bytes"] = run.predicted_peak_bytes;
        json["measured_peak_bytes"] = run.measured_peak_bytes;
        json["memory_error"] = run.memory_error();
    }
    return json;
}

Json to_json(const Ranking& ranking) {
    return {{"setting", ranking.setting},
            {"pairs", ranking.pairs},
            {"in_order", ranking.in_order},
            {"kendall_tau", ranking.kendall_tau()},
            {"best_found", ranking.best_found}};
}

}  // namespace

Json to_json(const Result& result) {
    Json json;
    json["experiment"] = result.experiment;
    json["engine"] = result.engine;
    json["calibration"] = result.calibration;
    json["gpus"] = result.gpus;
    json["step_time_s"] = result.step_time_s;
    json["tokens_per_s"] = result.tokens_per_s;
    json["tokens_per_s_per_gpu"] = result.tokens_per_s_per_gpu;
    json["model_tflops_per_gpu"] = result.model_tflops_per_gpu;
    json["mfu"] = result.mfu;
    json["hfu"] = result.hfu;
    json["bubble_ratio"] = result.bubble_ratio;
    json["bubble_ratio_span"] = result.bubble_ratio_span;
    json["bubble_overhead"] = result.bubble_overhead;
    json["breakdown"] = Json::object();
    add(json["breakdown"], result.breakdown);
    json["kernels"] = Json::array();
    for (const KernelUse& use : result.kernels) json["kernels"].push_back(to_json(use));
    json["memory"] = to_json(result.memory);
    json["per_stage"] = Json::array();
    for (const StageResult& stage : result.per_stage) json["per_stage"].push_back(to_json(stage));
    if (result.moe) json["moe"] = to_json(*result.moe);
    json["simulation"] = to_json(result.simulation);
    if (result.network) json["network"] = to_json(*result.network);
    if (result.goodput) json["goodput"] = to_json(*result.goodput);
    json["flop_formula"] = result.flop_formula;
    json["plan"] = to_json(result.plan);
    json["sources"] = to_json(result.sources);
    json["notes"] = result.notes;
    return json;
}

Json to_json(std::span<const Result> results) {
    Json json;
    json["results"] = Json::array();
    for (const Result& result : results) json["results"].push_back(to_json(result));
    return json;
}

Json to_json(const StudySummary& summary) {
    Json counts = Json::array();
    for (const StudyCount& count : summary.counts) {
        counts.push_back({{"status", count.status}, {"reason", count.reason}, {"points", count.points}});
    }
    Json objectives = Json::array();
    for (const StudyObjective& objective : summary.objectives) {
        objectives.push_back({{objective.minimize ? "minimize" : "maximize", objective.expression}});
    }
    Json best = Json::array();
    for (std::size_t i = 0; i < summary.best.size(); ++i) {
        Json row = {{"point", summary.best_points[i]}};
        for (std::size_t column = 0; column < summary.columns.size(); ++column) {
            Json& cell = row[summary.columns[column]];
            std::visit(
                [&cell](const auto& value) {
                    if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
                        cell = value;
                },
                summary.best[i][column]);
        }
        best.push_back(std::move(row));
    }
    return {{"study", summary.name},       {"points", summary.points},
            {"counts", std::move(counts)}, {"objective", std::move(objectives)},
            {"pareto", summary.front},     {"ranked", summary.ranked},
            {"best", std::move(best)}};
}

Json to_json(const Validation& validation) {
    Json json = errors_json(validation.rows, validation.skipped_by_reason());
    json["by_source"] = Json::object();
    for (const std::string& source : validation.sources()) {
        std::map<std::string, std::size_t> skipped;
        for (const SkippedRun& run : validation.skipped) {
            if (run.source == source) ++skipped[run.reason];
        }
        json["by_source"][source] = errors_json(validation.rows_of(source), skipped);
    }
    json["rows"] = Json::array();
    for (const ValidatedRun& run : validation.rows) {
        json["rows"].push_back(to_json(run));
    }
    const std::vector<Ranking> ranked = rankings(validation.rows);
    if (!ranked.empty()) {
        json["ranking"] = to_json(sum_of(ranked));
        json["ranking"].erase("setting");
        json["ranking"]["settings"] = Json::array();
        for (const Ranking& ranking : ranked) json["ranking"]["settings"].push_back(to_json(ranking));
    }
    json["skipped"] = Json::array();
    for (const SkippedRun& run : validation.skipped) {
        json["skipped"].push_back({{"id", run.id}, {"source", run.source}, {"reason", run.reason}});
    }
    return json;
}

std::string to_text(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_script_text(const Json& json) {
    const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string safe;
    safe.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char byte = text[i];
        // These bytes occur only inside strings: JSON has no other use for them.
        if (byte == '<') {
            safe += "\\u003c";
        } else if (byte == '>') {
            safe += "\\u003e";
        } else if (byte == '&') {
            safe += "\\u0026";
        } else if (text.compare(i, 3, "\xE2\x80\xA8") == 0) {
            safe += "\\u2028";
            i += 2;
        } else if (text.compare(i, 3, "\xE2\x80\xA9") == 0) {
            safe += "\\u2029";
            i += 2;
        } else {
            safe += byte;
        }
    }
    return safe;
}

}  // namespace orrery::report
