#include "study/recorded_execution.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <variant>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace orrery::study {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "orrery-execution-1";
constexpr std::size_t kMostBytes = std::size_t{4} << 30U;

/// FNV-1a (Fowler, Noll and Vo 1991) of what makes the program: the same for the same one.
std::string fingerprint(const sim::Program& program) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto add = [&hash](std::uint64_t value) {
        for (int byte = 0; byte < 8; ++byte) {
            hash ^= value & 0xFFU;
            hash *= 0x100000001b3ULL;
            value >>= 8U;
        }
    };
    for (const sim::Rank& rank : program.ranks) {
        const sim::RankProgram& tasks = program.rank_programs[rank.program];
        add(tasks.size());
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            add(tasks.work[t]());
            add(tasks.stream[t]());
            add(tasks.communicator_slot[t]);
            add(static_cast<std::uint64_t>(tasks.label[t].phase));
            add(static_cast<std::uint64_t>(tasks.label[t].micro_batch));
        }
        for (const sim::TaskId before : tasks.dependency) add(before());
        for (const sim::CommunicatorId communicator : rank.communicators) add(communicator());
    }
    add(program.works.size());
    return fmt::format("{:016x}", hash);
}

/// As kernel names are told apart (profiler/runs): "gemm", "allreduce", "memcpy".
std::string trace_name(const sim::Program& program, const sim::RankProgram& tasks, std::size_t task) {
    const sim::Work& work = program.works[tasks.work[task]()];
    std::string name = program.names[static_cast<std::size_t>(tasks.label[task].name)];
    if (const auto* collective = std::get_if<sim::Collective>(&work)) {
        name.clear();
        for (const char c : to_string(collective->kind))
            if (c != '-') name += c;
    }
    if (std::holds_alternative<sim::Copy>(work)) name = "memcpy";
    return fmt::format("{} {}", name, to_string(tasks.label[task].phase));
}

Json trace_events(const sim::Program& program, const sim::Timeline& timeline) {
    constexpr double kMicro = 1e6;
    Json events = Json::array();
    const sim::RankProgram& tasks = program.program_of(sim::RankId(0));
    events.push_back({{"ph", "X"},
                      {"cat", "user_annotation"},
                      {"name", "ProfilerStep#0"},
                      {"ts", 0},
                      {"dur", kMicro * timeline.makespan()},
                      {"pid", 0},
                      {"tid", "step"}});
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        events.push_back({{"ph", "X"},
                          {"cat", "kernel"},
                          {"name", trace_name(program, tasks, t)},
                          {"ts", kMicro * timeline.start[t]},
                          {"dur", kMicro * (timeline.end[t] - timeline.start[t])},
                          {"pid", 0},
                          {"tid", tasks.stream[t]()},
                          {"args", {{"stream", tasks.stream[t]()}, {"task", t}}}});
    }
    return events;
}

[[noreturn]] void refuse(const std::string& file, const std::string& message) {
    throw InputError({file, 0, 0}, "", message);
}

std::vector<double> times(const Json& step, const char* key, std::uint64_t count, const std::string& file) {
    auto values = step.at(key).get<std::vector<double>>();
    if (values.size() != count)
        refuse(file, fmt::format("{} has {} entries, expected {}", key, values.size(), count));
    return values;
}

void read_steps(const Json& json, const std::string& file, Executed& executed) {
    const sim::Program& program = executed.simulation.lowered.program;
    for (const Json& each : json.at("steps")) {
        profiler::MeasuredStep& step = executed.steps.emplace_back();
        step.timeline.start = times(each, "start_s", program.tasks(), file);
        step.timeline.end = times(each, "end_s", program.tasks(), file);
        step.peak_bytes = times(each, "peak_bytes", program.ranks.size(), file);
        step.noticed_late_s = times(each, "noticed_late_s", program.ranks.size(), file);
    }
    if (executed.steps.empty()) refuse(file, "holds no step");
    for (const Json& cost : json.at("costs"))
        executed.costs.push_back(
            {cost.at(0).get<double>(), cost.at(1).get<double>(), cost.at(2).get<double>()});
    if (executed.costs.size() != program.works.size()) refuse(file, "its costs are not of this program");
    executed.added_s = json.at("added_s").get<std::vector<double>>();
    if (!executed.added_s.empty() && executed.added_s.size() != program.tasks())
        refuse(file, "its added seconds are not of this program");
}

}  // namespace

std::string recording_of(const Experiment& experiment, const Executed& executed) {
    const sim::Program& program = executed.simulation.lowered.program;
    Json json{{"format", kFormat},
              {"experiment", experiment.name},
              {"program", fingerprint(program)},
              {"executor", to_string(executed.executor)},
              {"machine", executed.machine},
              {"emulated_compute", executed.options.emulate_compute},
              {"emulated_communication", executed.options.emulate_communication},
              {"most_message_bytes", executed.options.most_message_bytes},
              {"time_scale", executed.time_scale},
              {"costs_of_machine", executed.cost_source == CostSource::machine},
              {"costs", Json::array()},
              {"added_s", executed.added_s},
              {"steps", Json::array()}};
    for (const sim::WorkCost& cost : executed.costs)
        json["costs"].push_back({cost.duration_s, cost.launch_s, cost.issue_to_end_s});
    for (const profiler::MeasuredStep& step : executed.steps) {
        json["steps"].push_back({{"start_s", step.timeline.start},
                                 {"end_s", step.timeline.end},
                                 {"peak_bytes", step.peak_bytes},
                                 {"noticed_late_s", step.noticed_late_s}});
    }
    json["distributedInfo"] = {{"rank", 0}};
    json["traceEvents"] = trace_events(program, executed.steps[median_step(executed)].timeline);
    return json.dump() + "\n";
}

Executed read_recording(const std::string& file, const Experiment& experiment) {
    const Json json = Json::parse(read_file(file, kMostBytes), nullptr, false);
    if (json.is_discarded() || !json.is_object() || json.value("format", "") != kFormat)
        refuse(file, "is no execution recorded by orrery validate --on EXECUTOR --record");
    Executed executed;
    executed.simulation = simulate_every_rank(experiment);
    const sim::Program& program = executed.simulation.lowered.program;
    if (json.value("program", "") != fingerprint(program))
        refuse(file, "was recorded of another program: the experiment, or how it is lowered, has changed");
    try {
        executed.executor = json.value("executor", "mpi") == "cuda" ? Executor::cuda : Executor::mpi;
        executed.machine = json.at("machine").get<std::string>();
        executed.options.emulate_compute = json.at("emulated_compute").get<bool>();
        executed.options.emulate_communication = json.at("emulated_communication").get<bool>();
        executed.options.most_message_bytes = json.at("most_message_bytes").get<std::uint64_t>();
        executed.time_scale = json.at("time_scale").get<double>();
        executed.cost_source =
            json.at("costs_of_machine").get<bool>() ? CostSource::machine : CostSource::experiment;
        read_steps(json, file, executed);
    } catch (const Json::exception& error) {
        refuse(file, fmt::format("is not whole: {}", error.what()));
    }
    executed.simulation.timeline = predicted_again(executed);
    return executed;
}

}  // namespace orrery::study
