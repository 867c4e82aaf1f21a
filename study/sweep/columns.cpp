#include "study/sweep/columns.hpp"

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "core/yaml_flow.hpp"

namespace orrery::study {
namespace {

using sqlite::Value;

struct SettingColumn {
    const char* name;
    Value (*of)(const Experiment&);
};

struct MetricColumn {
    const char* name;
    Value (*of)(const report::Result&);
};

Value integer(std::int64_t value) {
    return value;
}

std::string_view name_of(parallel::DataSharding sharding) {
    for (const NamedScheme& scheme : sharding_schemes()) {
        if (scheme.sharding == sharding) return scheme.name;
    }
    return "";
}

const char* name_of(parallel::RecomputePolicy policy) {
    constexpr std::array kNames{"none", "selective", "full"};
    return kNames[static_cast<std::size_t>(policy)];
}

using E = const Experiment&;
constexpr SettingColumn kSettings[] = {
    {"model.name", [](E e) -> Value { return e.model.name; }},
    {"model.layers", [](E e) { return integer(e.model.layers); }},
    {"model.hidden", [](E e) { return integer(e.model.hidden); }},
    {"model.heads", [](E e) { return integer(e.model.heads); }},
    {"cluster.node", [](E e) -> Value { return e.cluster.node.name; }},
    {"cluster.nodes", [](E e) { return integer(e.cluster.nodes); }},
    {"cluster.gpus", [](E e) { return integer(e.cluster.devices()); }},
    {"cluster.gpu", [](E e) -> Value { return e.cluster.node.gpu.name; }},
    {"cluster.gpus_per_node", [](E e) { return integer(e.cluster.node.gpus); }},
    {"cluster.nics", [](E e) { return integer(e.cluster.node.nics); }},
    {"cluster.nic_bandwidth", [](E e) -> Value { return e.cluster.node.nic_bandwidth; }},
    {"cluster.oversubscription", [](E e) -> Value { return e.cluster.fabric.oversubscription; }},
    {"parallel.tp", [](E e) { return integer(e.plan.parallel.tp); }},
    {"parallel.pp", [](E e) { return integer(e.plan.parallel.pp); }},
    {"parallel.dp", [](E e) { return integer(e.plan.parallel.dp); }},
    {"parallel.cp", [](E e) { return integer(e.plan.parallel.cp); }},
    {"parallel.ep", [](E e) { return integer(e.plan.parallel.ep); }},
    {"parallel.sequence_parallel", [](E e) { return integer(e.plan.parallel.sequence_parallel ? 1 : 0); }},
    {"parallel.sharding", [](E e) -> Value { return std::string(name_of(e.plan.parallel.sharding)); }},
    {"schedule.name", [](E e) -> Value { return e.plan.schedule; }},
    {"schedule.vpp", [](E e) { return integer(e.plan.parallel.vpp); }},
    {"training.global_batch", [](E e) { return integer(e.plan.training.global_batch); }},
    {"training.micro_batch", [](E e) { return integer(e.plan.training.micro_batch); }},
    {"training.micro_batches", [](E e) { return integer(e.plan.training.micro_batches(e.plan.parallel)); }},
    {"training.seq_length", [](E e) { return integer(e.plan.training.seq_length); }},
    {"training.precision", [](E e) -> Value { return std::string(to_string(e.plan.training.precision)); }},
    {"training.recompute", [](E e) -> Value { return std::string(name_of(e.plan.training.recompute)); }},
    {"calibration", [](E e) -> Value { return e.calibration; }},
    {"software", [](E e) -> Value { return e.plan.software; }},
    {"engine", [](E e) -> Value { return std::string(to_string(e.engine)); }},
};

using R = const report::Result&;

/// Nothing where the experiment does not say how often parts fail.
Value of_goodput(R result, double report::Goodput::*figure) {
    if (!result.goodput) return {};
    return (*result.goodput).*figure;
}

constexpr MetricColumn kMetrics[] = {
    {"step_time_s", [](R r) -> Value { return r.step_time_s; }},
    {"tokens_per_s", [](R r) -> Value { return r.tokens_per_s; }},
    {"tokens_per_s_per_gpu", [](R r) -> Value { return r.tokens_per_s_per_gpu; }},
    {"model_tflops_per_gpu", [](R r) -> Value { return r.model_tflops_per_gpu; }},
    {"mfu", [](R r) -> Value { return r.mfu; }},
    {"hfu", [](R r) -> Value { return r.hfu; }},
    {"bubble_ratio", [](R r) -> Value { return r.bubble_ratio; }},
    {"bubble_ratio_span", [](R r) -> Value { return r.bubble_ratio_span; }},
    {"bubble_overhead", [](R r) -> Value { return r.bubble_overhead; }},
    {"breakdown.compute_s", [](R r) -> Value { return r.breakdown.compute_s; }},
    {"breakdown.exposed_comm_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.total(); }},
    {"breakdown.exposed_tp_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.tp; }},
    {"breakdown.exposed_pp_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.pp; }},
    {"breakdown.exposed_dp_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.dp; }},
    {"breakdown.exposed_cp_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.cp; }},
    {"breakdown.exposed_ep_s", [](R r) -> Value { return r.breakdown.exposed_comm_s.ep; }},
    {"breakdown.bubble_s", [](R r) -> Value { return r.breakdown.bubble_s; }},
    {"breakdown.optimizer_s", [](R r) -> Value { return r.breakdown.optimizer_s; }},
    {"breakdown.host_s", [](R r) -> Value { return r.breakdown.host_s; }},
    {"memory.peak_bytes", [](R r) -> Value { return r.memory.peak_bytes; }},
    {"memory.capacity_bytes", [](R r) -> Value { return r.memory.capacity_bytes; }},
    {"memory.fits", [](R r) { return integer(r.memory.fits ? 1 : 0); }},
    {"memory.parameters", [](R r) -> Value { return r.memory.by_kind_bytes[0]; }},
    {"memory.gradients", [](R r) -> Value { return r.memory.by_kind_bytes[1]; }},
    {"memory.optimizer_state", [](R r) -> Value { return r.memory.by_kind_bytes[2]; }},
    {"memory.activations", [](R r) -> Value { return r.memory.by_kind_bytes[3]; }},
    {"goodput.expected", [](R r) { return of_goodput(r, &report::Goodput::expected); }},
    {"goodput.simulated", [](R r) { return of_goodput(r, &report::Goodput::simulated); }},
    {"goodput.mtbf_s", [](R r) { return of_goodput(r, &report::Goodput::mtbf_s); }},
    {"goodput.interval_s", [](R r) { return of_goodput(r, &report::Goodput::interval_s); }},
    {"goodput.useful_tokens_per_s", [](R r) { return of_goodput(r, &report::Goodput::tokens_per_s); }},
};
static_assert(static_cast<int>(sim::MemoryKind::activations) == 3);

template <class Column, std::size_t n>
Columns names_of(const Column (&columns)[n]) {
    Columns names;
    for (const Column& column : columns) names.emplace_back(column.name);
    return names;
}

template <class Column, std::size_t n, class Source>
Values values_of(const Column (&columns)[n], const Source& source) {
    Values values;
    values.reserve(n);
    for (const Column& column : columns) values.push_back(column.of(source));
    return values;
}

template <class T>
bool parse_whole(const std::string& text, T& value) {
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && rest == end;
}

}  // namespace

const Columns& setting_columns() {
    static const Columns names = names_of(kSettings);
    return names;
}

Values setting_values(const Experiment& experiment) {
    return values_of(kSettings, experiment);
}

const Columns& metric_columns() {
    static const Columns names = names_of(kMetrics);
    return names;
}

Values metric_values(const report::Result& result) {
    return values_of(kMetrics, result);
}

sqlite::Value cell_of(const yaml::Node& node) {
    if (node.kind == yaml::Kind::null) return std::monostate{};
    if (node.kind != yaml::Kind::scalar) return yaml::flow_text(node);
    if (node.quoted) return node.text;
    if (node.text == "true") return std::int64_t{1};
    if (node.text == "false") return std::int64_t{0};
    std::int64_t whole = 0;
    if (parse_whole(node.text, whole)) return whole;
    double number = 0;
    if (parse_whole(node.text, number)) return number;
    return node.text;
}

}  // namespace orrery::study
