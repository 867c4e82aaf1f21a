// orrery schedule NAME|FILE: a bare pipeline schedule without model or cluster; picture, bubbles, memory.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/schedule.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "schedules/evaluate.hpp"
#include "schedules/gantt_svg.hpp"
#include "schedules/gantt_text.hpp"
#include "schedules/order_file.hpp"

namespace orrery::cli {
namespace {

struct Options {
    ScheduleRequest request;
    std::string svg, order, colour = "auto";
    std::optional<int> width;
    bool json = false;
};

bool is_order_file(const std::string& name) {
    return name.ends_with(".csv") || name.ends_with(".yaml") || name.ends_with(".yml");
}

void require_time(const char* option, double value) {
    if (!std::isfinite(value) || value < 0)
        throw InputError({}, option, fmt::format("expected a finite time of at least 0, not {}", value));
}

/// Times of a micro-batch on one device's share, as given: one for all stages or a list.
struct StageTimes {
    std::vector<double> forward, backward_input, backward_weight;
};

/// "1.5" or "1,1,2.5".
std::vector<double> parse_times(const char* option, const std::string& text) {
    std::vector<double> times;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (true) {
        while (at != end && *at == ' ') ++at;
        double time = 0;
        const auto [rest, error] = std::from_chars(at, end, time);
        if (error != std::errc() || (rest != end && *rest != ','))
            throw InputError(
                {}, option,
                fmt::format("expected a time, or one for each stage separated by commas, not '{}'",
                            text.substr(0, 60)));
        require_time(option, time);
        times.push_back(time);
        if (rest == end) return times;
        at = rest + 1;
    }
}

StageTimes read_times(const ScheduleRequest& options) {
    return {parse_times("--forward", options.forward),
            parse_times("--backward-input", options.backward_input),
            parse_times("--backward-weight", options.backward_weight)};
}

/// Times of each virtual stage's actions; empty where one time holds for all. A list has one time for each
/// device, or for each virtual stage along the model; each is that of a whole device's share of such stages,
/// so that a list of equal times means what the one time does.
std::vector<double> by_stage(const char* option, const std::vector<double>& times,
                             const schedules::Schedule& schedule) {
    if (times.size() == 1) return {};
    const auto stages = static_cast<std::size_t>(schedule.stages());
    const auto devices = static_cast<std::size_t>(schedule.devices);
    const double parts = static_cast<double>(schedule.chunks) * schedule.slices;
    if (times.size() != stages && times.size() != devices)
        throw InputError(
            {}, option,
            stages == devices
                ? fmt::format("expected 1 time or {}, one for each stage, not {}", devices, times.size())
                : fmt::format("expected 1 time, {} (one for each device) or {} (one for each virtual "
                              "stage), not {}",
                              devices, stages, times.size()));
    std::vector<double> own;
    for (std::size_t stage = 0; stage < stages; ++stage) {
        const auto device = static_cast<std::size_t>(schedule.placement[0][stage]);
        own.push_back(times[times.size() == stages ? stage : device] / parts);
    }
    return own;
}

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Checks the numbers; sets the shape's times (of one micro-batch on one device's share, the mean where each
/// stage has its own).
void take_times(const ScheduleRequest& options, const StageTimes& times, schedules::PipelineShape& shape) {
    require_time("--comm", options.comm);
    require_time("--transfer", options.transfer);
    if (options.memory_limit && !(*options.memory_limit > 0))
        throw InputError({}, "--memory-limit", "expected more than 0 micro-batch activations");
    if (options.overlapped) require_time("--overlapped", *options.overlapped);
    shape.forward_time = mean(times.forward);
    shape.backward_input_time = mean(times.backward_input);
    shape.backward_weight_time = mean(times.backward_weight);
    if (shape.forward_time + shape.backward_input_time + shape.backward_weight_time <= 0)
        throw InputError({}, "--forward", "the three times of a micro-batch must not all be 0");
    shape.communication_time = options.comm;
    shape.transfer_time = options.transfer;
    if (options.time_limit && !(*options.time_limit > 0))
        throw InputError({}, "--time-limit", "expected more than 0 seconds");
    shape.time_limit = options.time_limit;
    shape.progress = options.progress;
}

schedules::Schedule registered(const ScheduleRequest& options, schedules::PipelineShape& shape) {
    const schedules::ScheduleEntry& entry = schedules::find_schedule(options.name);
    if (!options.stages) throw InputError({}, "--stages", "expected the number of pipeline stages");
    if (!options.microbatches) throw InputError({}, "--microbatches", "expected the number of micro-batches");
    shape.devices = *options.stages;
    shape.micro_batches = *options.microbatches;
    shape.chunks = options.chunks.value_or(entry.default_chunks);
    shape.slices = options.slices.value_or(1);
    const auto& released = options.released_at_backward;
    if (released && !(*released >= 0 && *released <= 1))
        throw InputError({}, "--released-at-backward", "expected a share from 0 to 1");
    shape.memory_limit = options.memory_limit;
    shape.released_at_backward = released;
    shape.variant = options.variant;
    schedules::Schedule schedule = schedules::make_schedule(options.name, shape);
    shape.chunks = schedule.chunks;  // tessel's placements have their own
    return schedule;
}

/// With a memory limit the answer may be that the schedule does not fit. The searches hold it themselves, in
/// their own way of counting (--released-at-backward).
void require_fit(const ScheduleRequest& options, const schedules::Schedule& schedule,
                 const schedules::Evaluation& evaluation) {
    if (!options.memory_limit || options.released_at_backward || schedule.name == "zb-v") return;
    const auto& peaks = evaluation.peak_activation;
    const auto most = std::max_element(peaks.begin(), peaks.end());
    if (*most > *options.memory_limit * (1 + 1e-9))
        throw ExperimentError(
            fmt::format("{} holds {:.4g} micro-batch activations on device {}; the limit is {}",
                        schedule.name, *most, most - peaks.begin(), *options.memory_limit));
}

/// An order file says its own sizes; options that contradict them are mistakes.
schedules::Schedule from_file(const ScheduleRequest& options, schedules::PipelineShape& shape) {
    if (!options.variant.empty())
        throw InputError({options.name}, "--variant", "an order file has no variants");
    schedules::Schedule schedule = schedules::read_order(options.name);
    const auto agree = [&](const char* option, const std::optional<int>& given, int read) {
        if (given && *given != read)
            throw InputError({options.name}, option, fmt::format("the file has {}, not {}", read, *given));
    };
    agree("--stages", options.stages, schedule.devices);
    agree("--microbatches", options.microbatches, schedule.micro_batches);
    agree("--chunks", options.chunks, schedule.chunks);
    agree("--slices", options.slices, schedule.slices);
    shape.devices = schedule.devices;
    shape.micro_batches = schedule.micro_batches;
    shape.chunks = schedule.chunks;
    shape.slices = schedule.slices;
    return schedule;
}

int terminal_width() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 100;
}

schedules::TextColour text_colour(const std::string& choice) {
    const char* const no_colour = std::getenv("NO_COLOR");
    const bool forbidden = no_colour != nullptr && *no_colour != '\0';
    if (choice == "never" || (choice == "auto" && (forbidden || isatty(STDOUT_FILENO) == 0)))
        return schedules::TextColour::none;
    const char* const term = std::getenv("TERM");
    const std::string terminal = term == nullptr ? "" : term;
    if (choice == "auto" && terminal == "dumb") return schedules::TextColour::none;
    const bool many = std::getenv("COLORTERM") != nullptr || terminal.find("256") != std::string::npos;
    return many ? schedules::TextColour::indexed : schedules::TextColour::basic;
}

/// "4 on every device", or the list.
std::string peaks_text(const std::vector<double>& peaks) {
    if (std::all_of(peaks.begin(), peaks.end(), [&](double peak) { return peak == peaks.front(); }))
        return fmt::format("{:.4g} on every device", peaks.front());
    std::string text;
    const std::size_t shown = std::min<std::size_t>(peaks.size(), 16);
    for (std::size_t i = 0; i < shown; ++i) text += fmt::format("{}{:.4g}", i > 0 ? ", " : "", peaks[i]);
    const double most = *std::max_element(peaks.begin(), peaks.end());
    return shown < peaks.size() ? fmt::format("{}, ... (most {:.4g})", text, most) : text;
}

/// "0.875, 1, 1.125" of the stages that a search cut and treated unequally.
void print_shares(const char* title, const std::vector<double>& shares) {
    if (shares.empty() || std::all_of(shares.begin(), shares.end(), [](double share) { return share == 0; }))
        return;
    fmt::print("{:<25}{:.3g}\n", title, fmt::join(shares, ", "));
}

void print_summary(const schedules::Schedule& schedule, const schedules::Evaluation& evaluation) {
    fmt::print("\n{}: {} devices, {} micro-batches, {} chunk{} per device, {} actions\n", schedule.name,
               schedule.devices, schedule.micro_batches, schedule.chunks, schedule.chunks == 1 ? "" : "s",
               evaluation.actions);
    fmt::print("makespan                 {:.6g}\n", evaluation.makespan);
    fmt::print("bubble_ratio             {:.2f} %  idle share of the makespan, busiest device\n",
               100 * evaluation.bubble_ratio);
    fmt::print("bubble_ratio_span        {:.2f} %  of the longest stage span (the zero-bubble papers)\n",
               100 * evaluation.bubble_ratio_span);
    fmt::print("bubble_overhead          {:.2f} %  makespan over ideal\n", 100 * evaluation.bubble_overhead);
    fmt::print("peak activations         {}\n", peaks_text(evaluation.peak_activation));
    fmt::print("weight copies            {:.4g}{}\n", schedule.weight_copies,
               schedule.synchronous ? "" : "  (asynchronous: no flush between steps)");
    fmt::print("messages per micro-batch {:.4g}\n", evaluation.comm_messages_per_microbatch);
    print_shares("stage work", schedule.stage_work);
    print_shares("recomputed", schedule.stage_recomputed);
    print_shares("moved away", schedule.stage_evicted);
}

int run_schedule(const Options& options) {
    const BareSchedule bare = bare_schedule(options.request);
    const schedules::Schedule& schedule = bare.schedule;
    const schedules::Evaluation& evaluation = bare.evaluation;
    if (!options.svg.empty()) write_file_atomically(options.svg, schedules::gantt_svg(schedule, evaluation));
    if (!options.order.empty())
        write_file_atomically(options.order, options.order.ends_with(".csv")
                                                 ? schedules::write_order_csv(schedule)
                                                 : schedules::write_order_yaml(schedule));
    if (options.json) {
        print_json(to_json(bare));
        return kDone;
    }
    const int width = options.width.value_or(terminal_width());
    fmt::print("{}", schedules::gantt_text(schedule, evaluation, width, text_colour(options.colour)));
    print_summary(schedule, evaluation);
    return kDone;
}

void add_sizes(CLI::App& command, ScheduleRequest& options) {
    command
        .add_option("name", options.name, "A name of `orrery list schedules`, or an order file (.csv, .yaml)")
        ->required();
    command.add_option("--stages", options.stages, "Devices of the pipeline, p");
    command.add_option("--microbatches", options.microbatches, "Micro-batches, m");
    command.add_option("--chunks", options.chunks, "Virtual stages per device, v (default: the schedule's)");
    command.add_option("--slices", options.slices, "Token slices per micro-batch, q (default 1)");
}

void add_times(CLI::App& command, ScheduleRequest& options) {
    command
        .add_option("--forward", options.forward,
                    "Time of a micro-batch's F on one device's share; or a list, one for each device or "
                    "virtual stage (searches take its mean)")
        ->type_name("T[,T...]")
        ->capture_default_str();
    command.add_option("--backward-input", options.backward_input, "Time of its B, or a list")
        ->type_name("T[,T...]")
        ->capture_default_str();
    command.add_option("--backward-weight", options.backward_weight, "Time of its W, or a list")
        ->type_name("T[,T...]")
        ->capture_default_str();
    command.add_option("--comm", options.comm, "Latency between two devices")->capture_default_str();
    command.add_option("--overlapped", options.overlapped,
                       "Time of a micro-batch's overlapped F and backward (default: their sum)");
    command.add_option("--transfer", options.transfer, "Time of one eviction or load")->capture_default_str();
}

}  // namespace

BareSchedule bare_schedule(const ScheduleRequest& options) {
    schedules::PipelineShape shape;
    const StageTimes given = read_times(options);
    take_times(options, given, shape);
    schedules::Schedule schedule =
        is_order_file(options.name) ? from_file(options, shape) : registered(options, shape);
    schedules::ActionTimes times = schedules::action_times(shape);
    times.stage_forward = by_stage("--forward", given.forward, schedule);
    times.stage_backward_input = by_stage("--backward-input", given.backward_input, schedule);
    times.stage_backward_weight = by_stage("--backward-weight", given.backward_weight, schedule);
    if (options.overlapped) times.overlapped = *options.overlapped / (shape.chunks * shape.slices);
    times.evict = times.load = options.transfer;
    schedules::Evaluation evaluation = schedules::evaluate(schedule, times);
    require_fit(options, schedule, evaluation);
    return {std::move(schedule), std::move(evaluation)};
}

nlohmann::ordered_json to_json(const BareSchedule& bare) {
    const auto& [schedule, evaluation] = bare;
    return {{"schedule", schedule.name},
            {"stages", schedule.devices},
            {"microbatches", schedule.micro_batches},
            {"makespan", evaluation.makespan},
            {"bubble_ratio", evaluation.bubble_ratio},
            {"bubble_ratio_span", evaluation.bubble_ratio_span},
            {"bubble_overhead", evaluation.bubble_overhead},
            {"peak_activation", evaluation.peak_activation},
            {"weight_copies", schedule.weight_copies},
            {"synchronous", schedule.synchronous},
            {"comm_messages_per_microbatch", evaluation.comm_messages_per_microbatch},
            {"actions", evaluation.actions}};
}

Command add_schedule(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("schedule", "A bare pipeline schedule: picture, bubble, memory");
    add_sizes(*command, options->request);
    add_times(*command, options->request);
    options->request.progress = [](const std::string& found) { fmt::print(stderr, "orrery: {}\n", found); };
    command->add_option("--memory-limit", options->request.memory_limit,
                        "Most activations per device, in micro-batch activations of one device's share");
    command->add_option("--released-at-backward", options->request.released_at_backward,
                        "Share of an activation that B gives back, for the limit of zb-auto and zb-v");
    command->add_option("--variant", options->request.variant, "The schedule's variant, such as dapple's b");
    command->add_option("--svg", options->svg, "Write the picture")->type_name("FILE");
    command->add_option("--write-order", options->order, "Write the order: .csv (PyTorch) or .yaml")
        ->type_name("FILE");
    command->add_option("--width", options->width, "Columns of the picture (default: the terminal's)")
        ->check(CLI::Range(20, 10000));
    command->add_option("--time-limit", options->request.time_limit,
                        "Seconds a search may take (default: the same work on every machine)");
    command->add_option("--color", options->colour, "auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return run_schedule(*options); }};
}

}  // namespace orrery::cli
