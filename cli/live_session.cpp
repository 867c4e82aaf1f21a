#include "cli/live_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "cli/experiment_options.hpp"
#include "cli/shell_word.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "schedules/schedule.hpp"
#include "study/document.hpp"
#include "study/read_experiment.hpp"
#include "study/sweep/study_file.hpp"
#include "study/variants.hpp"

namespace orrery::cli {
namespace {

constexpr std::size_t kMostBoxes = 20'000;  ///< of the page's Gantt chart
constexpr std::size_t kLongestValue = 32;   ///< characters
constexpr std::uint64_t kMostTriedPoints = 10'000;

/// About as many tasks take a few seconds in each engine (bench/experiment_bench, and the measured 14 µs of
/// simgrid's): more are left to `orrery run`.
double most_tasks(study::EngineKind engine) {
    switch (engine) {
        case study::EngineKind::replay:
            return 20e6;
        case study::EngineKind::flow:
            return 5e6;
        case study::EngineKind::simgrid:
            return 1e6;
    }
    return 0;
}

/// From above: a layer's passes of one micro-batch are some 80 kernels and collectives.
double tasks_of(const study::Experiment& experiment) {
    constexpr double kKernels = 80;
    constexpr double kLayers = 12;  ///< with granularity: layer
    const parallel::Plan& plan = experiment.plan;
    const double passes = static_cast<double>(plan.training.micro_batches(plan.parallel)) *
                          static_cast<double>(std::max<std::int64_t>(experiment.model.layers, 1));
    const bool folded = experiment.fold && experiment.engine != study::EngineKind::simgrid;
    const double ranks = static_cast<double>(plan.parallel.gpus()) / static_cast<double>(plan.parallel.pp);
    return passes * (experiment.granularity == study::Granularity::kernel ? kKernels : kLayers) *
           (folded ? 1 : ranks);
}

void check_work(const study::Experiment& experiment) {
    if (tasks_of(experiment) <= most_tasks(experiment.engine)) return;
    throw ExperimentError(fmt::format(
        "about {:.0f} million tasks are more than a page waits for (engine {}: {:.0f} million); fewer "
        "micro-batches, granularity layer or another engine, or orrery run",
        tasks_of(experiment) / 1e6, study::to_string(experiment.engine),
        most_tasks(experiment.engine) / 1e6));
}

bool is_plain_word(const std::string& value) {
    return !value.empty() && value.size() <= kLongestValue &&
           std::all_of(value.begin(), value.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '+' || c == '.' || c == '_';
           });
}

std::vector<std::string> powers_of_two(int most) {
    std::vector<std::string> words;
    for (int power = 1; power <= most; power *= 2) words.push_back(std::to_string(power));
    return words;
}

std::vector<std::string> schedule_names() {
    std::vector<std::string> names;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) names.emplace_back(entry.name);
    return names;
}

const char* recompute_word(parallel::RecomputePolicy policy) {
    constexpr std::array kWords{"none", "selective", "full"};
    return kWords.at(static_cast<std::size_t>(policy));
}

/// 25e9 for 2.5e10: as files write bandwidths.
std::string bandwidth_word(double bytes_per_s) {
    return bytes_per_s >= 1e9 ? fmt::format("{}e9", bytes_per_s / 1e9) : fmt::format("{}", bytes_per_s);
}

bool is_set(const study::Experiment& experiment, std::string_view group, std::string_view key) {
    const yaml::Node* map = experiment.document.find(group);
    return map != nullptr && map->find(key) != nullptr;
}

/// The fields of an experiment's page, with its own values.
std::vector<report::LiveControl> controls_of(const study::Experiment& e) {
    const parallel::Parallelism& p = e.plan.parallel;
    const parallel::Training& t = e.plan.training;
    std::vector<report::LiveControl> all;
    const auto field = [&](const char* key, const char* label, const std::string& value,
                           std::vector<std::string> steps, const char* hint = "") {
        all.push_back({key, label, value, value, {}, std::move(steps), hint});
    };
    const auto menu = [&](const char* key, const char* label, std::string value,
                          std::vector<std::string> choices) {
        if (std::find(choices.begin(), choices.end(), value) == choices.end()) choices.push_back(value);
        all.push_back({key, label, value, value, std::move(choices), {}, ""});
    };
    field("parallel.tp", "tp", std::to_string(p.tp), powers_of_two(64));
    field("parallel.pp", "pp", std::to_string(p.pp), powers_of_two(128));
    // Where the file leaves it open, it is what the GPUs leave.
    if (is_set(e, "parallel", "dp")) field("parallel.dp", "dp", std::to_string(p.dp), powers_of_two(4096));
    menu("schedule.name", "schedule", e.plan.schedule, schedule_names());
    field("schedule.vpp", "vpp", std::to_string(p.vpp), powers_of_two(16), "chunks a stage");
    field("training.micro_batch", "micro-batch", std::to_string(t.micro_batch), powers_of_two(64));
    field("training.global_batch", "global batch", std::to_string(t.global_batch), powers_of_two(16384));
    menu("training.recompute", "recompute", recompute_word(t.recompute), {"none", "selective", "full"});
    field("cluster.nic_bandwidth", "NIC bandwidth", bandwidth_word(e.cluster.node.nic_bandwidth),
          {"3.125e9", "6.25e9", "12.5e9", "25e9", "50e9", "100e9"}, "bytes/s of one NIC");
    field("cluster.gpu_link_bandwidth", "GPU link", bandwidth_word(e.cluster.node.gpu_link_bandwidth),
          {"25e9", "50e9", "100e9", "150e9", "300e9", "450e9", "900e9"}, "bytes/s of one GPU");
    menu("engine", "engine", std::string(study::to_string(e.engine)), {"replay", "flow", "simgrid"});
    menu("granularity", "tasks", e.granularity == study::Granularity::kernel ? "kernel" : "layer",
         {"kernel", "layer"});
    return all;
}

bool is_study(const std::string& name_or_path) {
    try {
        return study::describes_several(name_or_path);
    } catch (const InputError&) {
        try {  // a name in configs/studies
            study::load_study(name_or_path);
            return true;
        } catch (const InputError&) {
            return false;  // loading it as an experiment says what is wrong
        }
    }
}

std::uint64_t first_legal_point(const std::string& name, const std::vector<std::string>& sets) {
    const study::Study study = study::load_study(name, sets);
    std::optional<InputError> first;
    for (std::uint64_t point = 0; point < std::min(study.space.size(), kMostTriedPoints); ++point) {
        try {
            study::read_experiment(study::document_of(study, point), {});
            return point;
        } catch (const InputError& error) {
            if (!first) first = error;
        }
    }
    throw first.value_or(InputError({}, "vary", "the study has no points"));
}

}  // namespace

study::Experiment point_of_study(const std::string& name, std::uint64_t point,
                                 const std::vector<std::string>& sets) {
    const study::Study study = study::load_study(name, sets);
    if (point >= study.space.size()) {
        throw InputError({}, "--point",
                         fmt::format("{} has {} points; expected 0 to {}", study.name, study.space.size(),
                                     study.space.size() - 1));
    }
    study::Experiment experiment = study::read_experiment(study::document_of(study, point), sets);
    experiment.name = fmt::format("{}, point {}", study.name, point);
    return experiment;
}

LiveSession::LiveSession(std::string name_or_path, std::vector<std::string> sets,
                         std::optional<std::uint64_t> point)
    : source_(std::move(name_or_path)), sets_(std::move(sets)), point_(point) {
    if (!point_ && is_study(source_)) point_ = first_legal_point(source_, sets_);
    base_ = load({});
}

study::Experiment LiveSession::load(const LiveSettings& settings) const {
    std::vector<std::string> sets = sets_;
    for (const auto& [key, value] : settings) sets.push_back(key + "=" + value);
    return point_ ? point_of_study(source_, *point_, sets) : study::load_experiment(source_, sets);
}

std::string LiveSession::command(const LiveSettings& settings) const {
    std::string text = "orrery run " + shell_word(source_);
    if (point_) text += fmt::format(" --point {}", *point_);
    for (const std::string& set : sets_) text += " --set " + shell_word(set);
    for (const auto& [key, value] : settings) text += " --set " + shell_word(key + "=" + value);
    return text;
}

std::vector<report::LiveControl> LiveSession::controls(const LiveSettings& settings) const {
    std::vector<report::LiveControl> all = controls_of(base_);
    for (const auto& [key, value] : settings) {
        for (report::LiveControl& control : all) {
            if (control.key == key) control.value = value;
        }
    }
    return all;
}

LiveSettings LiveSession::changed(const LiveSettings& settings) const {
    const std::vector<report::LiveControl> controls = controls_of(base_);
    std::vector<std::string> keys;
    for (const report::LiveControl& control : controls) keys.push_back(control.key);
    LiveSettings changes;
    for (const auto& [key, value] : settings) {
        const auto at = std::find(keys.begin(), keys.end(), key);
        if (at == keys.end()) throw InputError({}, "", unknown_name("setting", key, keys));
        if (!is_plain_word(value))
            throw InputError({}, key, "expected one word of letters, digits, '.', '-', '+', '_'");
        if (value != controls[static_cast<std::size_t>(at - keys.begin())].base)
            changes.emplace_back(key, value);
    }
    return changes;
}

report::LiveRun LiveSession::run(const LiveSettings& settings) const {
    const LiveSettings changes = changed(settings);
    const auto began = std::chrono::steady_clock::now();
    study::Experiment experiment = load(changes);
    check_work(experiment);
    const parallel::Plan plan = experiment.plan;
    const Outcome outcome = simulate(std::move(experiment), {});
    report::LiveRun run;
    run.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    run.result = outcome.result;
    run.gantt =
        report::make_gantt(outcome.simulation.lowered.program, outcome.simulation.timeline, kMostBoxes);
    run.memory = report::memory_over_time(outcome.simulation.lowered.program, outcome.simulation.timeline,
                                          outcome.result.memory.capacity_bytes);
    run.command = command(changes);
    run.derived =
        fmt::format("dp {}, {} micro-batches", plan.parallel.dp, plan.training.micro_batches(plan.parallel));
    run.complaint = outcome.too_large;
    return run;
}

}  // namespace orrery::cli
